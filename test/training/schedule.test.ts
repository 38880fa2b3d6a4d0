import { describe, expect, test } from 'vitest';
import { learningRate } from '../../src/training/schedule.ts';

describe('learningRate', () => {
  test('constant stays', () => {
    expect([0, 50, 99].map((s) => learningRate('constant', 0.1, s, 100, 0))).toEqual([
      0.1, 0.1, 0.1,
    ]);
  });

  test('warm-up rises linearly to the peak', () => {
    const rates = [0, 1, 2, 3, 4].map((s) => learningRate('constant', 1, s, 100, 4));
    expect(rates).toEqual([0.25, 0.5, 0.75, 1, 1]);
  });

  test('cosine starts at the peak, is half in the middle and ends near zero', () => {
    expect(learningRate('cosine', 2, 0, 100, 0)).toBe(2);
    expect(learningRate('cosine', 2, 50, 100, 0)).toBeCloseTo(1);
    expect(learningRate('cosine', 2, 99, 100, 0)).toBeLessThan(0.01);
    expect(learningRate('cosine', 2, 10, 100, 10)).toBe(2);
  });

  test('never negative, also beyond the last step', () => {
    expect(learningRate('cosine', 1, 150, 100, 0)).toBe(0);
  });
});
