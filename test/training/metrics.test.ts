import { describe, expect, test } from 'vitest';
import { evaluateScores, expectedCalibrationError } from '../../src/training/metrics.ts';

const LABELS = ['kitchen', 'hall', 'others'];
/** A row whose best score, 0.8, is at `k`. */
const answer = (k: number) => [0, 1, 2].map((i) => (i === k ? 0.8 : 0.1));

describe('evaluateScores', () => {
  test('counts by hand: precision, recall, F1, macro, accuracy, confusion', () => {
    const truth = [0, 0, 0, 1, 1, 2];
    const answers = [0, 0, 1, 1, 2, 2];
    const result = evaluateScores(LABELS, truth, answers.map(answer));
    expect(result.confusion).toEqual([
      [2, 1, 0],
      [0, 1, 1],
      [0, 0, 1],
    ]);
    expect(result.perClass[0]).toMatchObject({ label: 'kitchen', precision: 1, support: 3 });
    expect(result.perClass[0]?.recall).toBeCloseTo(2 / 3);
    expect(result.perClass[0]?.f1).toBeCloseTo(0.8);
    expect(result.perClass[1]).toMatchObject({ precision: 0.5, recall: 0.5, f1: 0.5 });
    expect(result.perClass[2]).toMatchObject({ precision: 0.5, recall: 1 });
    expect(result.macroF1).toBeCloseTo((0.8 + 0.5 + 2 / 3) / 3);
    expect(result.accuracy).toBeCloseTo(4 / 6);
  });

  test('a class without photos counts in no mean', () => {
    const result = evaluateScores(LABELS, [0, 1], [answer(0), answer(1)]);
    expect(result.macroF1).toBe(1);
    expect(result.perClass[2]).toMatchObject({ precision: 0, recall: 0, f1: 0, support: 0 });
  });

  test('no photos at all give zeros', () => {
    expect(evaluateScores(LABELS, [], [])).toMatchObject({ macroF1: 0, accuracy: 0, ece: 0 });
  });

  test('refuses what does not fit', () => {
    expect(() => evaluateScores(LABELS, [0], [])).toThrow(RangeError);
    expect(() => evaluateScores(LABELS, [3], [answer(0)])).toThrow(/label 3/);
    expect(() => evaluateScores(LABELS, [0], [[1, 0]])).toThrow(/2 scores/);
  });
});

describe('expectedCalibrationError', () => {
  test('is the gap between score and share of right answers', () => {
    const rows = Array.from({ length: 10 }, () => answer(0));
    const truth = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]; // 80 % right at 0.8
    expect(expectedCalibrationError(truth, rows)).toBeCloseTo(0);
    expect(expectedCalibrationError(Array(10).fill(1), rows)).toBeCloseTo(0.8);
  });

  test('a score of exactly 1 lies in the last bin', () => {
    expect(expectedCalibrationError([0], [[1, 0]])).toBe(0);
  });
});
