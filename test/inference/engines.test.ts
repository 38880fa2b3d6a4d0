import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadBundle, type ModelBundle } from '../../src/inference/bundle.ts';
import { type Engine, type EngineName, PIXEL_BYTES } from '../../src/inference/engine.ts';
import { loadEngine } from '../../src/inference/engines.ts';
import { INPUT_SIZE } from '../../src/inference/inceptionv3.ts';
import { randomPixels } from '../training/export/tiny-network.ts';
import { LABELS, writeTinyBundle } from './tiny-bundle.ts';

let bundle: ModelBundle;
let remove: () => Promise<void>;
const photo = randomPixels(INPUT_SIZE, 42);
const other = randomPixels(INPUT_SIZE, 43);

beforeAll(async () => {
  const written = await writeTinyBundle();
  remove = written.remove;
  bundle = await loadBundle(written.dir);
});
afterAll(() => remove());

/** What `engine.ts` promises, for every engine that needs nothing but npm packages. */
describe.each<EngineName>(['onnxruntime', 'wasm'])('engine %s', (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadEngine(name, bundle, { threads: 1 });
  });
  afterAll(() => engine.close());

  it('says what it is', () => {
    expect([engine.name, engine.precision]).toEqual([name, 'int8']);
  });

  it('gives one finite logit per label, the same each time', async () => {
    const first = await engine.infer(photo);
    expect(first).toBeInstanceOf(Float32Array);
    expect(first).toHaveLength(LABELS.length);
    expect(first.every(Number.isFinite)).toBe(true);
    const between = await engine.infer(other);
    expect(between).not.toEqual(first);
    expect(await engine.infer(photo)).toEqual(first);
  });

  it('leaves the pixels alone and its earlier answers as they were', async () => {
    const pixels = photo.slice();
    const first = await engine.infer(pixels);
    const copy = first.slice();
    await engine.infer(other);
    expect(Buffer.compare(pixels, photo)).toBe(0);
    expect(first).toEqual(copy);
  });

  it('refuses pixels of another size', async () => {
    for (const length of [0, PIXEL_BYTES - 1, PIXEL_BYTES + 1]) {
      await expect(engine.infer(new Uint8Array(length))).rejects.toThrow(RangeError);
    }
    await expect(engine.infer(photo)).resolves.toHaveLength(LABELS.length);
  });
});

it('the engines agree on what the same file says', async () => {
  const [native, wasm] = await Promise.all([
    loadEngine('onnxruntime', bundle),
    loadEngine('wasm', bundle),
  ]);
  for (const pixels of [photo, other, new Uint8Array(PIXEL_BYTES)]) {
    const [a, b] = [await native.infer(pixels), await wasm.infer(pixels)];
    for (const [i, logit] of a.entries()) expect(b[i]).toBeCloseTo(logit, 3);
  }
  await Promise.all([native.close(), wasm.close()]);
});

describe('loadEngine', () => {
  it('auto takes the native engine where it loads', async () => {
    const unavailable: string[] = [];
    const engine = await loadEngine('auto', bundle, {}, (name) => unavailable.push(name));
    expect(engine.name).toBe('onnxruntime');
    expect(unavailable).toEqual([]);
    await engine.close();
  });

  it('says of every engine why it did not load', async () => {
    const { dir, remove } = await writeTinyBundle();
    await rm(join(dir, 'int8.onnx'));
    const broken = await loadBundle(dir);
    const unavailable: string[] = [];
    await expect(loadEngine('auto', broken, {}, (name) => unavailable.push(name))).rejects.toThrow(
      /no engine loads: onnxruntime: .*; wasm: .*/,
    );
    expect(unavailable).toEqual(['onnxruntime', 'wasm']);
    await expect(loadEngine('wasm', broken)).rejects.toThrow(/engine wasm does not load: ENOENT/);
    await remove();
  });
});
