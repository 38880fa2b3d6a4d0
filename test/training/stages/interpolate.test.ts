import { expect, test } from 'vitest';
import type { Tensors } from '../../../src/inference/network/safetensors.ts';
import { interpolate } from '../../../src/training/stages/interpolate.ts';

const one = (name: string, ...values: number[]): Tensors =>
  new Map([[name, { shape: [values.length], data: Float32Array.from(values) }]]);

test('lies between the trained and the base weights', () => {
  const trained = one('a/kernel', 1, 2);
  const base = one('a/kernel', 3, -2);
  expect(interpolate(trained, base, 0.25).get('a/kernel')?.data).toEqual(Float32Array.of(1.5, 1));
  expect(interpolate(trained, base, 0)).toBe(trained);
});

test('leaves as trained what the base lacks or has in another shape', () => {
  const trained = new Map([...one('a/kernel', 1, 2), ...one('b/bias', 4)]);
  const mixed = interpolate(trained, one('a/kernel', 9, 9, 9), 0.5);
  expect([...mixed.values()].map(({ data }) => [...data])).toEqual([[1, 2], [4]]);
});
