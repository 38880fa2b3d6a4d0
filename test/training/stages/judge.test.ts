import { expect, test } from 'vitest';
import { judge } from '../../../src/training/stages/judge.ts';

const examples = [0, 1].map((label) => ({ photo: { file: `${label}.jpg`, label }, variant: 0 }));

test('the loss is the mean cross-entropy', () => {
  const logits = [Float32Array.of(0, 0), Float32Array.of(0, 0)];
  const { validationLoss, validationAccuracy } = judge(['a', 'b'], examples, logits);
  expect(validationLoss).toBeCloseTo(Math.log(2));
  expect(validationAccuracy).toBe(0.5);
});

test('weights that are no numbers any more are called diverged', () => {
  const logits = [Float32Array.of(0, 0), Float32Array.of(0, Number.NaN)];
  expect(() => judge(['a', 'b'], examples, logits)).toThrow(
    'validation: the loss is NaN: training has diverged; try a lower learning rate',
  );
});
