/**
 * Servers beside each other, a block of photos to each in turn, again and again: where a machine's
 * speed changes by the minute only such ratios hold. Prints quartiles over the blocks.
 *
 *   taskset -c 0,1 node bench/in-turn.mjs --photos DIR [--only REGEX] [--size 640x480] [--clients 8] [--blocks 12] [--build DIST]
 *
 * DIST is the `dist` folder of another build of ours, to compare with. More in `run.mjs`.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bodyOf, load } from './lib/load.mjs';
import { withServer } from './lib/measure.mjs';
import { percentile } from './lib/percentile.mjs';
import { servers, withDataFolder } from './lib/servers.mjs';
import { setUp } from './lib/setup.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    only: { type: 'string', default: 'throughput|RE-Tagger openvino' },
    size: { type: 'string', default: '640x480' },
    clients: { type: 'string', default: '8' },
    blocks: { type: 'string', default: '12' },
    build: { type: 'string' },
    cache: { type: 'string', default: here('.cache') },
  },
});
if (!options.photos) {
  process.stderr.write('usage: in-turn.mjs --photos DIR (more in the file)\n');
  process.exit(2);
}
const clients = Number(options.clients);
const count = clients === 1 ? 40 : 15 * clients;

const setup = await setUp({ cache: options.cache, photos: options.photos, count: 24 });
const bodies = setup.photos[options.size].map(bodyOf);
const all = Object.entries(servers(setup));
const chosen = all
  .filter(([name]) => new RegExp(options.only).test(name))
  .flatMap(([name, server]) => {
    if (!server.ours || !options.build) return [[name, server]];
    const other = { ...server, command: `${options.build}/cli.js` };
    return [
      [name, server],
      [`${name}, the other build`, other],
    ];
  });

await beside(chosen, async (running) => {
  for (let block = 0; block < Number(options.blocks); block++) {
    for (const one of block % 2 ? running : running.toReversed()) {
      // What it does when a crowd has come, not while it comes.
      if (clients > 1) await load({ url: one.server.url, bodies, clients, count });
      const { times, perSecond } = await load({ url: one.server.url, bodies, clients, count });
      one.perSecond.push(perSecond);
      one.times.push(...times);
    }
  }
  for (const { name, perSecond, times } of running) {
    const [low, middle, high] = [0.25, 0.5, 0.75].map((p) => percentile(perSecond, p).toFixed(1));
    const p50 = percentile(times, 0.5).toFixed(1);
    process.stdout.write(
      `${name.padEnd(40)} ${middle} photos/s (${low} to ${high}), p50 ${p50} ms\n`,
    );
  }
});

/** Starts all, calls `work` with them, and stops them. */
async function beside([first, ...others], work, running = []) {
  if (first === undefined) return work(running);
  const [name, program] = first;
  await withDataFolder((data) =>
    withServer(program, data, bodies[0], (server) =>
      beside(others, work, [...running, { name, server, perSecond: [], times: [] }]),
    ),
  );
}
