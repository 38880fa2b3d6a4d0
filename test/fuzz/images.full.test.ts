import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { BUNDLED_MODEL_DIR } from '../../src/inference/bundle.ts';
import { createTagger } from '../../src/inference/supervisor/supervisor.ts';
import { temporaryDir } from '../daemon/support.ts';
import { random } from '../e2e/victims.ts';
import { mutate } from './mutate.ts';

/** docs/measurements.md has a run of 20,000. */
const COUNT = Number(process.env.FUZZ_COUNT ?? 400);
/** Repeat a failed run with the seed it printed. */
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const MiB = 1024 * 1024;

test(`${COUNT} mutated images of every format, seed ${SEED}`, async () => {
  const next = random(SEED);
  const folders = ['rooms', 'formats', 'refused'].map((name) => `test/fixtures/${name}`);
  const names = (await Promise.all(folders.map((dir) => readdir(dir)))).flatMap((found, i) =>
    found.map((name) => join(folders[i] as string, name)),
  );
  const files = (await Promise.all(names.map((name) => readFile(name)))).filter(
    ({ length }) => length > 0,
  );
  const tagger = createTagger({
    modelDir: BUNDLED_MODEL_DIR,
    engine: 'onnxruntime',
    limits: {
      ...{ upload_bytes: 64 * MiB, pixels: 100_000_000 },
      ...{ memory_bytes: 512 * MiB, photo_seconds: 30 },
    },
    log: pino({ level: 'silent' }),
  });
  onTestFinished(() => tagger.stop());
  await tagger.start();

  const dir = await temporaryDir();
  const codes: Record<string, number> = {};
  let given = 0;
  const lane = async (name: string) => {
    const path = join(dir, name);
    while (given < COUNT) {
      given += 1;
      const bytes = mutate(files, next);
      await writeFile(path, bytes);
      const code = await tagger.tag(path).then(
        () => 'tagged',
        (error) => String(error.code),
      );
      codes[code] = (codes[code] ?? 0) + 1;
      // The file that did it is worth more than the seed.
      if (/^(worker|internal)/.test(code)) {
        await writeFile(join('/tmp', `fuzz-${SEED}-${given}.bin`), bytes);
      }
    }
  };
  await Promise.all(['a', 'b', 'c', 'd'].map(lane));
  const { tag } = await tagger.tag('test/fixtures/rooms/kitchen.jpg');
  expect(tag === null || typeof tag === 'string').toBe(true);
  process.stdout.write(
    `${JSON.stringify({ seed: SEED, images: given, codes, workers: tagger.restarts })}\n`,
  );
  expect(Object.values(codes).reduce((a, b) => a + b)).toBe(COUNT);
  const expected = ['tagged', 'image_corrupt', 'image_unsupported', 'image_too_large'];
  expect(Object.keys(codes).filter((code) => !expected.includes(code))).toEqual([]);
}, 7_200_000);
