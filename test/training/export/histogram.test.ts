import { describe, expect, it } from 'vitest';
import { Histogram } from '../../../src/training/export/histogram.ts';
import { random } from '../../../src/training/random.ts';

const uniform = (length: number, largest: number) => {
  const stream = random(1);
  return Float32Array.from({ length }, () => stream.between(0, largest));
};

/** Mean squared error of storing the numbers so. */
function storageError(values: Float32Array, scale: number, zeroPoint: number): number {
  const error = values.reduce((sum, value) => {
    const byte = Math.min(Math.max(Math.round(value / scale) + zeroPoint, 0), 255);
    return sum + ((byte - zeroPoint) * scale - value) ** 2;
  }, 0);
  return error / values.length;
}

describe('Histogram', () => {
  it('cuts nothing off an even spread', () => {
    const histogram = new Histogram(false);
    histogram.add(uniform(10_000, 6));
    const { scale, zeroPoint } = histogram.best();
    expect(zeroPoint).toBe(0);
    expect(scale * 255).toBeGreaterThan(5.9);
    expect(scale * 255).toBeLessThanOrEqual(6);
  });

  it('gives up a lone large number for the sake of very many, but not of some', () => {
    const clipOf = (count: number) => {
      const values = uniform(count, 1).fill(1.5, 0, 1);
      const histogram = new Histogram(false);
      histogram.add(values);
      const { scale } = histogram.best();
      for (const clip of [1, 1.25, 1.5]) {
        const other = storageError(values, clip / 255, 0);
        expect(storageError(values, scale, 0)).toBeLessThan(other * 1.05);
      }
      return scale * 255;
    };
    expect(clipOf(100_000)).toBeLessThan(1.4);
    expect(clipOf(2_000)).toBeCloseTo(1.5, 2);
  });

  it('stores signed numbers around byte 128', () => {
    const histogram = new Histogram(true);
    histogram.add(Float32Array.of(-4, 0.5, 2, ...uniform(1000, 4).map((value) => -value)));
    const { scale, zeroPoint } = histogram.best();
    expect(zeroPoint).toBe(128);
    expect(scale).toBeCloseTo(4 / 127, 2);
  });

  it('finds the same however the numbers arrive, and whatever their size', () => {
    for (const size of [1e-6, 1, 1e6]) {
      const values = uniform(5000, size);
      const atOnce = new Histogram(false);
      atOnce.add(values);
      const inParts = new Histogram(false);
      const sorted = values.toSorted();
      for (let i = 0; i < sorted.length; i += 500) inParts.add(sorted.subarray(i, i + 500));
      expect(inParts.best()).toEqual(atOnce.best());
      expect(atOnce.best().scale * 255).toBeGreaterThan(size * 0.9);
    }
  });

  it('takes zeros for what they are, and refuses what is no number', () => {
    const histogram = new Histogram(false);
    histogram.add(new Float32Array(10));
    expect(histogram.best().scale).toBeGreaterThan(0);
    expect(() => histogram.add(Float32Array.of(Number.NaN))).toThrow('not finite');
    expect(() => histogram.add(Float32Array.of(Number.POSITIVE_INFINITY))).toThrow('not finite');
  });
});
