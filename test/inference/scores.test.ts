import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toVerdict } from '../../src/inference/scores.ts';

const labels = ['a', 'b', 'c'];
const manifest = { labels, thresholds: { a: 0, b: 0, c: 0 }, temperature: 1 };

describe('toVerdict', () => {
  it('is the softmax of the logits', () => {
    const { tag, score, scores } = toVerdict([Math.log(1), Math.log(2), Math.log(5)], manifest);
    expect(tag).toBe('c');
    expect(score).toBe(scores.c);
    expect(Object.keys(scores)).toEqual(labels);
    expect(scores.a).toBeCloseTo(1 / 8, 12);
    expect(scores.b).toBeCloseTo(2 / 8, 12);
    expect(scores.c).toBeCloseTo(5 / 8, 12);
  });

  it('divides by the temperature first: a higher one is less sure', () => {
    const { scores } = toVerdict([0, 2, 0], { ...manifest, temperature: 2 });
    expect((scores.b as number) / (scores.a as number)).toBeCloseTo(Math.E, 12);
  });

  it('abstains below the label’s own threshold, and keeps the score', () => {
    const logits = [Math.log(6), Math.log(3), Math.log(1)];
    const at = (a: number) => toVerdict(logits, { ...manifest, thresholds: { a, b: 1, c: 1 } });
    expect(at(0.59)).toMatchObject({ tag: 'a' });
    expect(at(0.61).tag).toBeNull();
    expect(at(0.61).score).toBeCloseTo(0.6, 12);
    expect(toVerdict([0, -99, -99], { ...manifest, thresholds: { a: 1, b: 1, c: 1 } }).tag).toBe(
      'a',
    );
  });

  it('gives numbers in 0..1 that sum to 1, whatever the logits', () => {
    const logit = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(
        logit,
        logit,
        logit,
        fc.double({ min: 0.05, max: 20, noNaN: true }),
        (a, b, c, temperature) => {
          const { scores, score } = toVerdict([a, b, c], { ...manifest, temperature });
          const values = Object.values(scores);
          expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
          for (const value of values) {
            expect(value).toBeGreaterThanOrEqual(0);
            expect(value).toBeLessThanOrEqual(1);
          }
          expect(score).toBe(Math.max(...values));
        },
      ),
    );
  });

  it.each([[[1, 2]], [[1, 2, 3, 4]], [[1, Number.NaN, 2]], [[1, 2, Number.POSITIVE_INFINITY]]])(
    'does not pass %j off as an answer',
    (logits) => {
      expect(() => toVerdict(logits, manifest)).toThrow('logits');
    },
  );
});
