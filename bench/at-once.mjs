/**
 * Whether one inference at once with all threads or two with half of them do more: photos per second
 * of one worker, kept full, both ways in turn and in several rounds, and its memory.
 *
 *   node bench/at-once.mjs --photos DIR [--count 100] [--rounds 4] [--engine onnxruntime] [--threads 2]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';

const load = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { WorkerProcess } = await load('inference/supervisor/worker-process.js');
const { photosIn } = await load('inference/worker-protocol.js');
const { BUNDLED_MODEL_DIR, loadBundle } = await load('inference/bundle.js');
const { expandPhotos } = await load('commands/photo-files.js');
const { median } = await load('bench/median.js');
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    count: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '4' },
    engine: { type: 'string', default: 'onnxruntime' },
    threads: { type: 'string', default: '2' },
  },
});
if (!options.photos) {
  process.stderr.write('usage: at-once.mjs --photos DIR [--engine onnxruntime]\n');
  process.exit(2);
}
const photos = await expandPhotos([options.photos]);
const cacheDir = await mkdtemp(join(tmpdir(), 'retagger-at-once-'));
const what = {
  bundle: await loadBundle(BUNDLED_MODEL_DIR),
  engine: options.engine,
  threads: Number(options.threads),
  limits: { pixels: 1e8, bytes: 1e8 },
  log: pino({ level: 'silent' }),
  cacheDir,
};

async function measure(atOnce) {
  const worker = new WorkerProcess(what, () => {});
  await worker.ready;
  if (atOnce > 1) await worker.share(atOnce);
  const run = async (count) => {
    let given = 0;
    const lane = async () => {
      while (given < count) await worker.tag(photos[given++ % photos.length]);
    };
    const from = performance.now();
    await Promise.all(Array.from({ length: photosIn(atOnce) }, lane));
    return (count / (performance.now() - from)) * 1000;
  };
  await run(30);
  const perSecond = await run(Number(options.count));
  const rollup = await readFile(`/proc/${worker.pid}/smaps_rollup`, 'utf8');
  await worker.stop();
  return [perSecond, Number(/^Pss:\s+(\d+)/m.exec(rollup)[1]) / 1024];
}

const runs = new Map([1, 2].map((atOnce) => [atOnce, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [atOnce, measured] of runs) measured.push(await measure(atOnce));
}
for (const [atOnce, measured] of runs) {
  const [perSecond, pss] = [0, 1].map((column) => median(measured.map((run) => run[column])));
  process.stdout.write(
    `${atOnce} at once  ${perSecond.toFixed(1)} photos/s  ${pss.toFixed(0)} MiB (worker)\n`,
  );
}
await rm(cacheDir, { recursive: true });
