import { describe, expect, test } from 'vitest';
import { softmax } from '../../../src/inference/scores.ts';
import { expectedCalibrationError } from '../../../src/training/metrics.ts';
import {
  calibrated,
  chooseThresholds,
  fitCalibration,
} from '../../../src/training/publish/calibration.ts';
import { random } from '../../../src/training/random.ts';

/** Truth drawn from the softmax of logits, which are then given `distort`ed. */
function drawn(n: number, distort: (logits: number[]) => number[], shift = [0, 0, 0]) {
  const stream = random(1, 'calibration');
  const logits: number[][] = [];
  const truth: number[] = [];
  for (let i = 0; i < n; i++) {
    const row = shift.map((s) => 2 * stream.normal() + s);
    const scores = softmax(row);
    const u = stream.next();
    truth.push(u < (scores[0] ?? 0) ? 0 : u < (scores[0] ?? 0) + (scores[1] ?? 0) ? 1 : 2);
    logits.push(distort(row));
  }
  return { logits, truth };
}

describe('fitCalibration', () => {
  test('finds the temperature of overconfident logits and lowers the error', () => {
    const { logits, truth } = drawn(3000, (row) => row.map((z) => 2.5 * z));
    const fit = fitCalibration(logits, truth, false);
    expect(fit.temperature).toBeGreaterThan(2.2);
    expect(fit.temperature).toBeLessThan(2.8);
    expect(fit.bias).toEqual([0, 0, 0]);
    const before = expectedCalibrationError(
      truth,
      logits.map((row) => softmax(row)),
    );
    const after = expectedCalibrationError(
      truth,
      logits.map((row) => calibrated(row, fit)),
    );
    expect(after).toBeLessThan(before / 2);
  });

  test('finds the bias that balancing took away', () => {
    const { logits, truth } = drawn(3000, (row) => [row[0] ?? 0, row[1] ?? 0, (row[2] ?? 0) - 2]);
    const { bias, temperature } = fitCalibration(logits, truth, true);
    expect((bias[2] ?? 0) - (bias[0] ?? 0)).toBeCloseTo(2, 0);
    expect(temperature).toBeCloseTo(1, 0);
  });

  test('a handful of photos moves little', () => {
    const { temperature } = fitCalibration(
      [
        [3, 0],
        [0, 3],
      ],
      [0, 1],
      true,
    );
    expect(temperature).toBeGreaterThan(0.5);
  });
});

describe('chooseThresholds', () => {
  test('lets at most 1 % of right answers abstain, and is never above 0.5', () => {
    const weak = Array.from({ length: 200 }, (_, i) => [0.3 + i / 1000, 0.1]);
    const sure = Array.from({ length: 200 }, () => [0.05, 0.95]);
    const truth = [...weak.map(() => 0), ...sure.map(() => 1)];
    const thresholds = chooseThresholds(['a', 'b'], [...weak, ...sure], truth);
    expect(thresholds.b).toBe(0.5);
    expect(thresholds.a).toBeCloseTo(0.302);
    expect(weak.filter(([a = 0]) => a < (thresholds.a ?? 0)).length).toBeLessThanOrEqual(2);
  });

  test('a class never answered right has the highest threshold, not none', () => {
    expect(chooseThresholds(['a', 'b'], [[0.9, 0.1]], [0]).b).toBe(0.5);
  });
});
