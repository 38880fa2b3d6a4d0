import { expect, it } from 'vitest';
import { inceptionV3, LOGITS } from '../../../src/inference/network/inceptionv3.ts';
import type { Tensor } from '../../../src/inference/network/safetensors.ts';
import { checkWeights, weightShapes } from '../../../src/inference/network/weights.ts';

const layers = inceptionV3(6);

it('knows every weight’s shape', () => {
  const shapes = weightShapes(layers);
  expect(shapes.size).toBe((94 + 2) * 2);
  expect(shapes.get('conv2d_1/kernel')).toEqual([3, 3, 3, 32]);
  expect(shapes.get('conv2d_91/kernel')).toEqual([3, 3, 448, 384]);
  expect(shapes.get('dense/kernel')).toEqual([2048, 256]);
  expect(shapes.get(`${LOGITS}/bias`)).toEqual([6]);
});

it('names a weight that is missing or misshapen', () => {
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of weightShapes(layers)) {
    weights.set(name, { shape, data: new Float32Array(0) });
  }
  expect(() => checkWeights(layers, weights)).not.toThrow();
  weights.set('conv2d_5/bias', { shape: [191], data: new Float32Array(0) });
  expect(() => checkWeights(layers, weights)).toThrow('conv2d_5/bias has shape [191], not [192]');
  weights.delete('conv2d_5/bias');
  expect(() => checkWeights(layers, weights)).toThrow('conv2d_5/bias is missing');
});
