import { expect, test } from 'vitest';
import type { Tfjs } from '../../../src/inference/tfjs.ts';
import { predictLogits } from '../../../src/training/stages/predict.ts';

test('a stop is obeyed between two batches', async () => {
  const controller = new AbortController();
  let batches = 0;
  const tf = {
    tidy: () => ({ shape: [2, 3], data: async () => new Float32Array(6) }),
    dispose() {},
  } as unknown as Tfjs;
  const source = async () => {
    batches += 1;
    controller.abort();
    return null as never;
  };
  const examples = [0, 1, 2, 3].map((n) => ({ photo: { file: `${n}.jpg`, label: 0 }, variant: 0 }));
  const { signal } = controller;
  const prediction = { layers: [], weights: new Map(), cut: 'dense', batch: 2, examples, source };
  const stopped = predictLogits(tf, { ...prediction, signal });
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  expect(batches).toBe(1);
  // Without a signal it goes to the end.
  expect(await predictLogits(tf, prediction)).toHaveLength(4);
});
