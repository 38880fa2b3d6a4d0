/**
 * How long the daemon is without a worker: from SIGKILL of the idle worker to the answer to a photo handed in
 * at that moment, less what an answer takes otherwise.
 *
 *   node bench/replace-worker.mjs --photos DIR [--kills 20]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bodyOf, post } from './lib/load.mjs';
import { photosBelow } from './lib/photos.mjs';
import { launch, servers, withDataFolder } from './lib/servers.mjs';
import { processTree } from './process-tree.mjs';

const { values: options } = parseArgs({
  options: { photos: { type: 'string' }, kills: { type: 'string', default: '20' } },
});
if (!options.photos) {
  process.stderr.write('usage: replace-worker.mjs --photos DIR [--kills N]\n');
  process.exit(2);
}
const bodies = (await photosBelow(options.photos)).slice(0, 50).map(bodyOf);
const sorted = (times) => times.toSorted((a, b) => a - b).map(Math.round);
const median = (times) => sorted(times)[Math.floor(times.length / 2)];

await withDataFolder(async (data) => {
  const server = await launch(servers({})['RE-Tagger onnxruntime'], data);
  const answered = async (n) => {
    const { status, ms, text } = await post(server.url, bodies[n % bodies.length]);
    if (status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
    return ms;
  };
  while (!(await answered(0).catch(() => null))) await sleep(50);
  await sleep(2000);
  const usual = [];
  const killed = [];
  for (let n = 0; n < Number(options.kills); n++) {
    usual.push(await answered(2 * n));
    const [, worker] = await processTree(server.pid);
    process.kill(worker, 'SIGKILL');
    killed.push(await answered(2 * n + 1));
    // A fault in a row would be waited for longer; these are not in a row.
    await sleep(500);
  }
  await server.stop();
  const without = median(killed) - median(usual);
  process.stdout.write(
    `${JSON.stringify({ usual: median(usual), without, all: sorted(killed) })}\n`,
  );
});
