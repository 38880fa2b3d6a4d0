import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import { loadEngine } from '../../src/inference/engines.ts';
import { preprocess } from '../../src/inference/preprocess.ts';

const PHOTOS = '../shared/photos/test';
/** Every so many-th photo also by WebAssembly, which is ten times slower. */
const WASM_STEP = 40;
/** In logits: both compute with the same bytes, but round them differently; 0.07 was seen. */
const ROUNDING = 0.1;

it('8 bits give the same top tag as float32 on at least 99 % of the test photos', async () => {
  const bundle = await loadBundle(BUNDLED_MODEL_DIR);
  const { labels } = bundle.manifest;
  const [int8, wasm, reference] = [
    await loadEngine('onnxruntime', bundle),
    await loadEngine('wasm', bundle),
    await loadEngine('reference', bundle),
  ];
  const files = await readdir(PHOTOS, { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((f) => join(f.parentPath, f.name));
  expect(paths.length).toBeGreaterThan(500);
  let same = 0;
  for (const [i, path] of paths.entries()) {
    const { pixels } = await preprocess(path, { pixels: 1e8, bytes: 1e8 });
    const top = (logits: Float32Array) => labels[logits.indexOf(Math.max(...logits))];
    const logits = await int8.infer(pixels);
    if (top(logits) === top(await reference.infer(pixels))) same += 1;
    if (i % WASM_STEP === 0) {
      const other = await wasm.infer(pixels);
      for (const [k, logit] of logits.entries()) {
        expect(Math.abs((other[k] as number) - logit)).toBeLessThan(ROUNDING);
      }
    }
  }
  await Promise.all([int8.close(), wasm.close(), reference.close()]);
  expect(same / paths.length).toBeGreaterThanOrEqual(0.99);
});
