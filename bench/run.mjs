/**
 * Our daemon beside what one would run otherwise, on the same photos with the same weights:
 * latency with one client, throughput with eight, start, memory. Every server is started, measured
 * and stopped in turn, in several rounds; medians count, and ratios to the engine that `auto` takes here.
 *
 *   npm run build && npm run setup:tfjs-node && npm run setup:openvino
 *   taskset -c 0,1 node bench/run.mjs --photos DIR [--rounds 3] [--seconds 4] [--only REGEX] [--long REGEX]
 *
 * DIR holds real photos; the measured ones are cut from them. The peers' Python packages go to
 * `bench/.cache`. Writes `bench/results/NAME.{json,md,svg}`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bodyOf } from './lib/load.mjs';
import { measure, measureLong } from './lib/measure.mjs';
import { report } from './lib/report.mjs';
import { servers } from './lib/servers.mjs';
import { setUp } from './lib/setup.mjs';

const { autoOrder } = await import('../dist/inference/engines.js');

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const auto = `RE-Tagger ${(await autoOrder())[0]}`;
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string', default: '' },
    long: { type: 'string', default: `^${auto}$` },
    name: { type: 'string', default: 'latest' },
    cache: { type: 'string', default: here('.cache') },
  },
});
if (!options.photos) {
  process.stderr.write('usage: run.mjs --photos DIR (more in the file)\n');
  process.exit(2);
}

const setup = await setUp({ cache: options.cache, photos: options.photos, count: 24 });
const bodies = Object.fromEntries(
  Object.entries(setup.photos).map(([size, paths]) => [size, paths.map(bodyOf)]),
);
const chosen = Object.entries(servers(setup)).filter(([name]) =>
  new RegExp(options.only).test(name),
);
const rounds = Object.fromEntries(chosen.map(([name]) => [name, []]));
const failures = {};
for (let round = 1; round <= Number(options.rounds); round++) {
  for (const [name, server] of chosen) {
    if (failures[name]) continue;
    process.stderr.write(`round ${round}: ${name}\n`);
    try {
      rounds[name].push(await measure(server, bodies, Number(options.seconds)));
    } catch (error) {
      failures[name] = error.message;
      process.stderr.write(`  ${error.message}\n`);
    }
  }
}
const long = {};
for (const [name, server] of chosen) {
  if (options.long === '' || !new RegExp(options.long).test(name)) continue;
  process.stderr.write(`10,000 photos: ${name}\n`);
  long[name] = await measureLong(server, bodies['640x480']);
}

const machine = `${cpus()[0].model}, ${availableParallelism()} cores, Node ${process.versions.node}`;
const results = { date: new Date().toISOString(), machine, rounds, failures, long };
await mkdir(here('results'), { recursive: true });
const file = (ending) => here(`results/${options.name}.${ending}`);
const { markdown, svg } = report(results, process.argv.slice(2).join(' '), auto);
await writeFile(file('json'), `${JSON.stringify(results, null, 1)}\n`);
await writeFile(file('md'), markdown);
await writeFile(file('svg'), svg);
process.stdout.write(markdown);
