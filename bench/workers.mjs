/**
 * How two cores are best split between workers: photos per second of one worker with two threads, two
 * with one each, and other splits, each kept full, in turn and in several rounds.
 *
 *   node bench/workers.mjs --photos DIR [--count 100] [--rounds 4] [2 1+1 2+1 …]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';

const load = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const { createTagger } = await load('inference/supervisor.js');
const { BUNDLED_MODEL_DIR } = await load('inference/bundle.js');
const { expandPhotos } = await load('commands/photo-files.js');
const { median } = await load('bench/median.js');
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    photos: { type: 'string' },
    count: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '4' },
  },
});
if (!options.photos) {
  process.stderr.write('usage: workers.mjs --photos DIR [2 1+1 2+1 …]\n');
  process.exit(2);
}
const photos = await expandPhotos([options.photos]);
const splits = positionals.length > 0 ? positionals : ['2', '1+1', '2+1'];
const cacheDir = await mkdtemp(join(tmpdir(), 'retagger-workers-'));
const limits = { pixels: 1e8, upload_bytes: 1e8, photo_seconds: 30 };

async function measure(split) {
  const taggers = split.split('+').map((threads) =>
    createTagger({
      modelDir: BUNDLED_MODEL_DIR,
      engine: 'onnxruntime',
      threads: Number(threads),
      // Too little for a second worker: the split is ours to choose here.
      limits: { ...limits, memory_bytes: 192 * 2 ** 20 },
      log: pino({ level: 'silent' }),
      cacheDir,
    }),
  );
  await Promise.all(taggers.map((tagger) => tagger.start()));
  const run = async (count) => {
    let given = 0;
    const lane = async (tagger) => {
      while (given < count) await tagger.tag(photos[given++ % photos.length]);
    };
    const from = performance.now();
    await Promise.all(taggers.flatMap((tagger) => [1, 2, 3].map(() => lane(tagger))));
    return (count / (performance.now() - from)) * 1000;
  };
  await run(30);
  const perSecond = await run(Number(options.count));
  let pss = 0;
  for (const pid of taggers.flatMap((tagger) => tagger.pids)) {
    pss += Number(/^Pss:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
  }
  await Promise.all(taggers.map((tagger) => tagger.stop()));
  return [perSecond, pss / 1024];
}

const runs = new Map(splits.map((split) => [split, []]));
for (let round = 0; round < Number(options.rounds); round++) {
  for (const split of splits) runs.get(split).push(await measure(split));
}
for (const [split, measured] of runs) {
  const [perSecond, pss] = [0, 1].map((column) => median(measured.map((run) => run[column])));
  process.stdout.write(
    `threads ${split.padEnd(6)} ${perSecond.toFixed(1)} photos/s  ${pss.toFixed(0)} MiB (workers)\n`,
  );
}
await rm(cacheDir, { recursive: true });
