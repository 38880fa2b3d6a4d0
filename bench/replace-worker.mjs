/**
 * How long the daemon is without a worker: from SIGKILL of the idle worker to the answer to a photo handed in
 * at that moment, less what an answer takes otherwise.
 *
 *   node bench/replace-worker.mjs --photos DIR [--kills 20]
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { bodyOf, post } from './lib/load.mjs';
import { withServer } from './lib/measure.mjs';
import { photosBelow } from './lib/photos.mjs';
import { servers, withDataFolder } from './lib/servers.mjs';
import { processTree } from './process-tree.mjs';

const { median } = await import('../dist/bench/median.js');
const { values: options } = parseArgs({
  options: { photos: { type: 'string' }, kills: { type: 'string', default: '20' } },
});
if (!options.photos) {
  process.stderr.write('usage: replace-worker.mjs --photos DIR [--kills N]\n');
  process.exit(2);
}
const bodies = (await photosBelow(options.photos)).slice(0, 50).map(bodyOf);

const measured = async (server) => {
  const answered = async (n) => {
    const { status, ms, text } = await post(server.url, bodies[n % bodies.length]);
    if (status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
    return Math.round(ms);
  };
  const usual = [];
  const killed = [];
  await sleep(2000);
  for (let n = 0; n < Number(options.kills); n++) {
    usual.push(await answered(2 * n));
    const [, worker] = await processTree(server.pid);
    process.kill(worker, 'SIGKILL');
    killed.push(await answered(2 * n + 1));
    // A fault in a row would be waited for longer; these are not in a row.
    await sleep(500);
  }
  const without = median(killed) - median(usual);
  return { usual: median(usual), without, all: killed.toSorted((a, b) => a - b) };
};

const program = servers({})['RE-Tagger onnxruntime'];
const result = await withDataFolder((data) => withServer(program, data, bodies[0], measured));
process.stdout.write(`${JSON.stringify(result)}\n`);
