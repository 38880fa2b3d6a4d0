import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../../src/inference/bundle.ts';
import { PIXEL_BYTES } from '../../../src/inference/engine.ts';
import { cpuFeatures, multipliesMatrices } from '../../../src/inference/engines/cpu-features.ts';
import { paysAsProduct, writeAsProducts } from '../../../src/inference/engines/matrix-products.ts';
import { nativeSessionOptions, onnxEngine } from '../../../src/inference/engines/onnx.ts';
import { InferenceSession, Tensor } from '../../../src/inference/engines/onnxruntime-node.ts';
import { savingTo } from '../../../src/inference/engines/prepared-graph.ts';

const { dir, manifest } = await loadBundle(BUNDLED_MODEL_DIR);
const bundled = join(dir, manifest.files.int8);
const features = await cpuFeatures();
let folder = '';
let rewritten = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retagger-products-'));
  rewritten = join(folder, 'rewritten.onnx');
  expect(await writeAsProducts(bundled, rewritten)).toBe(true);
});
afterAll(() => rm(folder, { recursive: true }));

async function logits(model: string, pixels: Uint8Array): Promise<Float32Array> {
  const session = await InferenceSession.create(model, nativeSessionOptions({ threads: 1 }));
  expect(session.inputNames).toEqual(['pixels']);
  const engine = onnxEngine(session, Tensor);
  try {
    return await engine.infer(pixels);
  } finally {
    await engine.close();
  }
}

/** How many weights are kept as they were packed, and so can be mapped. */
async function packed(model: string): Promise<number> {
  const options = { ...nativeSessionOptions({ threads: 1 }), ...savingTo(folder) };
  const session = await InferenceSession.create(model, options);
  await session.release();
  return (await readFile(join(folder, 'graph.onnx'), 'latin1')).split('prepacked_0').length - 1;
}

describe('large convolutions as matrix products', () => {
  test.each([1, 2, 3])('give the same logits to the last bit (%i)', async (seed) => {
    const pixels = Uint8Array.from({ length: PIXEL_BYTES }, (_, i) => (i * 7919 * seed) >> 5);
    expect(await logits(rewritten, pixels)).toEqual(await logits(bundled, pixels));
  });

  test.runIf(/\bavx2\b/.test(features))(
    'are computed by other kernels, whose weights can be mapped (on AVX2 and above)',
    async () => {
      expect([await packed(bundled), await packed(rewritten)]).toEqual([2, 67]);
    },
  );

  test('are nothing that a graph without them notices', async () => {
    const without = join(folder, 'without.onnx');
    await writeFile(without, 'another graph');
    const target = join(folder, 'target.onnx');
    expect(await writeAsProducts(without, target)).toBe(false);
    expect(await readdir(folder)).not.toContain('target.onnx');
  });

  test('are those with many outputs and long sums', () => {
    expect(paysAsProduct(384, 288 * 9)).toBe(true);
    expect(paysAsProduct(128, 768)).toBe(true);
    expect(paysAsProduct(96, 96 * 9)).toBe(false);
    expect(paysAsProduct(192, 80 * 9)).toBe(false);
  });

  test('are for CPUs with AMX', () => {
    expect(multipliesMatrices('flags : fpu avx512_vnni amx_bf16 amx_tile amx_int8')).toBe(true);
    expect(multipliesMatrices('flags : fpu avx2 avx512_vnni')).toBe(false);
    expect(multipliesMatrices('Features : fp asimd asimddp i8mm')).toBe(false);
    expect(multipliesMatrices('')).toBe(false);
  });
});
