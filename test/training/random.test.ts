import { describe, expect, test } from 'vitest';
import { random } from '../../src/training/random.ts';

const first = (n: number, ...keys: [number, ...(string | number)[]]) => {
  const stream = random(...keys);
  return Array.from({ length: n }, () => stream.next());
};

describe('random', () => {
  test('the same name gives the same numbers, another name others', () => {
    expect(first(20, 1, 'epoch', 3)).toEqual(first(20, 1, 'epoch', 3));
    expect(first(20, 1, 'epoch', 3)).not.toEqual(first(20, 1, 'epoch', 4));
    expect(first(20, 1, 'epoch', 3)).not.toEqual(first(20, 2, 'epoch', 3));
    expect(first(20, 1, 'a', 'bc')).not.toEqual(first(20, 1, 'ab', 'c'));
  });

  test('uniform numbers fill [0, 1) evenly', () => {
    const numbers = first(20_000, 7, 'uniform');
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    for (let bin = 0; bin < 10; bin++) {
      const share = numbers.filter((x) => Math.floor(x * 10) === bin).length / numbers.length;
      expect(share).toBeCloseTo(0.1, 1);
    }
  });

  test('normal numbers have mean 0 and standard deviation 1', () => {
    const stream = random(3, 'normal');
    const numbers = Array.from({ length: 20_000 }, () => stream.normal());
    const mean = numbers.reduce((a, b) => a + b) / numbers.length;
    const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
    expect(mean).toBeCloseTo(0, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(1, 1);
  });

  test('shuffle keeps every item', () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const shuffled = random(1, 'shuffle').shuffle([...items]);
    expect(shuffled).not.toEqual(items);
    expect(shuffled.sort((a, b) => a - b)).toEqual(items);
  });
});
