import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadBundle, type ModelBundle } from '../../src/inference/bundle.ts';
import { type EngineChoice, type EngineName, PIXEL_BYTES } from '../../src/inference/engine.ts';
import { firstThatLoads, loadEngine, orderFor } from '../../src/inference/engines.ts';
import { INPUT_SIZE } from '../../src/inference/network/inceptionv3.ts';
import { randomPixels } from '../training/export/tiny-network.ts';
import { promisesOfEngine } from './engine-promises.ts';
import { writeTinyBundle } from './tiny-bundle.ts';

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

describe.each<EngineName>(['onnxruntime', 'wasm'])('engine %s', (name) => {
  promisesOfEngine(name, () => bundle);
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

it('loadEngine says which engine does not load and why', async () => {
  const { dir, remove } = await writeTinyBundle();
  await rm(join(dir, 'int8.onnx'));
  const broken = await loadBundle(dir);
  await expect(loadEngine('wasm', broken)).rejects.toThrow(/engine wasm does not load: ENOENT/);
  await remove();
});

it('auto takes OpenVINO where it is set up and the CPU multiplies matrices', () => {
  const [amx, vnni] = ['flags : avx512_vnni amx_int8', 'flags : avx512_vnni'];
  expect(orderFor('libopenvino_c.so.1', amx)).toEqual(['openvino', 'onnxruntime', 'wasm']);
  expect(orderFor(null, amx)).toEqual(['onnxruntime', 'wasm']);
  expect(orderFor('libopenvino_c.so.1', vnni)).toEqual(['onnxruntime', 'wasm']);
});

describe('firstThatLoads', () => {
  const unavailable: string[] = [];
  const first = (choice: EngineChoice, ...loads: string[]) =>
    firstThatLoads(
      choice,
      async (engine) => {
        if (loads.includes(engine)) return engine;
        throw new Error(`no ${engine}\nmore`);
      },
      (...told) => unavailable.push(told.join(': ')),
      ['onnxruntime', 'wasm'],
    );
  beforeEach(() => unavailable.splice(0));

  it('auto takes the native engine where it loads', async () => {
    expect(await first('auto', 'onnxruntime', 'wasm')).toBe('onnxruntime');
    expect(unavailable).toEqual([]);
  });

  it('auto falls back to WebAssembly and says so', async () => {
    expect(await first('auto', 'wasm')).toBe('wasm');
    expect(unavailable).toEqual(['onnxruntime: no onnxruntime']);
  });

  it('says of every engine why it does not load', async () => {
    await expect(first('auto')).rejects.toThrow(
      'no engine loads: onnxruntime: no onnxruntime; wasm: no wasm',
    );
  });

  it('tries no other than the one that was asked for', async () => {
    await expect(first('tfjs-node', 'wasm')).rejects.toThrow('no tfjs-node');
    expect(unavailable).toEqual([]);
  });
});
