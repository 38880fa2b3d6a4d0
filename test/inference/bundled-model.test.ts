import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BUNDLED_MODEL_DIR,
  loadBundle,
  type ModelBundle,
  verifyBundle,
} from '../../src/inference/bundle.ts';
import type { Engine, OneEngine } from '../../src/inference/engine.ts';
import { loadEngine } from '../../src/inference/engines.ts';
import { preprocess } from '../../src/inference/preprocess.ts';
import { toVerdict } from '../../src/inference/scores.ts';

/** The model users get, on drawings. What it is worth on photos is measured in the full tests. */
let bundle: ModelBundle;
let reference: Engine;
const photos: Uint8Array[] = [];

beforeAll(async () => {
  bundle = await loadBundle(BUNDLED_MODEL_DIR);
  for (const label of bundle.manifest.labels) {
    const path = fileURLToPath(new URL(`../fixtures/rooms/${label}.jpg`, import.meta.url));
    photos.push((await preprocess(path, { pixels: 1e6, bytes: 1e6 })).pixels);
  }
  reference = await loadEngine('reference', bundle);
});
afterAll(() => reference.close());

it('is whole', async () => {
  await expect(verifyBundle(bundle)).resolves.toBeUndefined();
});

it('knows the six labels', () => {
  expect(bundle.manifest.labels).toEqual([
    ...['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'],
  ]);
});

describe.each<OneEngine>(['onnxruntime', 'wasm'])('on %s', (choice) => {
  it('says what its float32 weights say', async () => {
    const engine = await loadEngine(choice, bundle);
    for (const pixels of photos) {
      const expected = toVerdict(await reference.infer(pixels), bundle.manifest).scores;
      const got = toVerdict(await engine.infer(pixels), bundle.manifest).scores;
      for (const label of bundle.manifest.labels) {
        const difference = Math.abs((got[label] as number) - (expected[label] as number));
        expect(difference, label).toBeLessThan(0.1);
      }
    }
    await engine.close();
  });
});
