import { writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle, type ModelBundle } from '../../../src/inference/bundle.ts';
import { PIXEL_BYTES } from '../../../src/inference/engine.ts';
import { mapFile } from '../../../src/inference/engines/mapped-file.ts';
import { createOpenvinoEngine } from '../../../src/inference/engines/openvino.ts';
import { Openvino } from '../../../src/inference/engines/openvino-library.ts';
import { findOpenvino } from '../../../src/inference/engines/openvino-path.ts';
import { loadEngine } from '../../../src/inference/engines.ts';
import { randomPixels } from '../../training/export/tiny-network.ts';
import { promisesOfEngine } from '../engine-promises.ts';
import { writeTinyBundle } from '../tiny-bundle.ts';

/** Needs `npm run setup:openvino`. */
const library = (): string => {
  const path = findOpenvino();
  if (!path) throw new Error('OpenVINO is not set up here: npm run setup:openvino');
  return path;
};
const photo = randomPixels(299, 5);
let tiny: ModelBundle;
let cacheDir = '';

beforeAll(async () => {
  library();
  const { dir, remove } = await writeTinyBundle();
  tiny = await loadBundle(dir);
  return remove;
});
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'retagger-openvino-'));
});
afterEach(() => rm(cacheDir, { recursive: true, force: true }));

async function logits(bundle: ModelBundle, folder?: string, pixels = photo) {
  const engine = await createOpenvinoEngine(bundle, { threads: 2, cacheDir: folder });
  try {
    return await engine.infer(pixels);
  } finally {
    await engine.close();
  }
}

/** The one folder that the cache may hold. */
async function kept(): Promise<string> {
  const names = await readdir(cacheDir);
  expect(names).toHaveLength(1);
  return join(cacheDir, names[0] as string);
}

describe('engine openvino', () => {
  promisesOfEngine('openvino', () => tiny);
});

test('says what onnxruntime says of the same file', async () => {
  const native = await loadEngine('onnxruntime', tiny, { threads: 1 });
  onTestFinished(() => native.close());
  for (const pixels of [photo, new Uint8Array(PIXEL_BYTES), randomPixels(299, 6)]) {
    const expected = await native.infer(pixels);
    for (const [i, logit] of (await logits(tiny, undefined, pixels)).entries()) {
      expect(Math.abs(logit - (expected[i] as number))).toBeLessThan(0.05);
    }
  }
});

test('a closed engine says so instead of reading memory that is gone', async () => {
  const engine = await createOpenvinoEngine(tiny, { threads: 1 });
  await engine.close();
  await engine.close();
  await expect(engine.infer(photo)).rejects.toThrow('the openvino engine is closed');
});

test('the event loop goes on during an inference', async () => {
  const engine = await createOpenvinoEngine(await loadBundle(BUNDLED_MODEL_DIR), { threads: 1 });
  onTestFinished(() => engine.close());
  let done = false;
  const inference = engine.infer(photo).then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toBe(false);
  await inference;
});

describe('the compiled network', () => {
  test('is kept, and read back the next time, with the same logits', async () => {
    const bundle = await loadBundle(BUNDLED_MODEL_DIR);
    const expected = await logits(bundle);
    expect(await logits(bundle, cacheDir)).toEqual(expected);
    const folder = await kept();
    expect((await readdir(folder)).sort()).toEqual(['network.blob', 'sha256']);
    const { mtimeMs } = await stat(join(folder, 'network.blob'));
    expect(await logits(bundle, cacheDir)).toEqual(expected);
    expect((await stat(join(await kept(), 'network.blob'))).mtimeMs).toBe(mtimeMs);
  });

  test('is made again where it was damaged', async () => {
    const expected = await logits(tiny, cacheDir);
    const blob = join(await kept(), 'network.blob');
    const whole = await readFile(blob);
    const half = Math.floor(whole.length / 2);
    await writeFile(blob, Buffer.from(whole).fill(0, half));
    expect(await logits(tiny, cacheDir)).toEqual(expected);
    expect((await readFile(blob)).subarray(half).some((byte) => byte !== 0)).toBe(true);
  });

  // Its weights are where they were read, and nothing in V8 says that somebody reads them.
  test('outlives a garbage collection, and the file', async () => {
    const bundle = await loadBundle(BUNDLED_MODEL_DIR);
    const expected = await logits(bundle, cacheDir);
    const engine = await createOpenvinoEngine(bundle, { threads: 1, cacheDir });
    onTestFinished(() => engine.close());
    await rm(cacheDir, { recursive: true });
    setFlagsFromString('--expose-gc');
    for (let i = 0; i < 3; i++) {
      runInNewContext('gc')();
      expect(await engine.infer(photo)).toEqual(expected);
    }
  });
});

test('what is no model is an error in its own words', async () => {
  const openvino = new Openvino(library(), {});
  onTestFinished(() => openvino.close());
  expect(() => openvino.compile(new Uint8Array(100))).toThrow(/^OpenVINO, read: ./);
  const file = join(cacheDir, 'blob');
  writeFileSync(file, 'no blob');
  await expect(openvino.import(file)).rejects.toThrow(/^OpenVINO, import: ./);
});

test('a file that is missing or empty cannot be mapped', async () => {
  const file = join(cacheDir, 'empty');
  expect(() => mapFile(file)).toThrow('ENOENT');
  await writeFile(file, 'x');
  await truncate(file);
  expect(() => mapFile(file)).toThrow(`${file} cannot be mapped`);
});
