import { softmax } from '../../inference/scores.ts';
import { argmax } from '../metrics.ts';

/** Makes scores mean what they say: logits become `logits / temperature + bias`. */
export interface Calibration {
  readonly temperature: number;
  /** One a label; zeros where only the temperature was fitted. Their mean is 0. */
  readonly bias: readonly number[];
}

const STEPS = 400;
const RATE = 0.05;
/** Pulls towards the identity, as if by this many photos: few photos must not move it far. */
const PRIOR = 5;

/**
 * Temperature and, on request, bias per class, by maximum likelihood on validation photos
 * (bias-corrected temperature scaling, Alexandari et al. 2020). The bias also undoes what balancing
 * the classes did to their frequencies. Solved by Adam from the identity; but for the pull on the
 * temperature it is convex.
 */
export function fitCalibration(
  logits: readonly ArrayLike<number>[],
  truth: readonly number[],
  withBias: boolean,
): Calibration {
  const width = logits[0]?.length ?? 0;
  // Parameters: inverse temperature, then biases.
  const values = [1, ...Array<number>(width).fill(0)];
  const mean = values.map(() => 0);
  const square = values.map(() => 0);
  for (let step = 1; step <= STEPS; step++) {
    const gradient = values.map(
      (value, i) => (PRIOR * (i === 0 ? Math.log(value) / value : value)) / logits.length,
    );
    for (const [i, row] of logits.entries()) {
      const scaled = Array.from(
        row,
        (z, k) => z * (values[0] as number) + (values[k + 1] as number),
      );
      const scores = softmax(scaled);
      for (let k = 0; k < width; k++) {
        const error = ((scores[k] as number) - (truth[i] === k ? 1 : 0)) / logits.length;
        gradient[0] = (gradient[0] as number) + error * (row[k] as number);
        gradient[k + 1] = (gradient[k + 1] as number) + error;
      }
    }
    for (const [i, g] of gradient.entries()) {
      if (i > 0 && !withBias) continue;
      mean[i] = 0.9 * (mean[i] as number) + 0.1 * g;
      square[i] = 0.999 * (square[i] as number) + 0.001 * g * g;
      const m = (mean[i] as number) / (1 - 0.9 ** step);
      const s = (square[i] as number) / (1 - 0.999 ** step);
      const rate = RATE * (1 - step / (STEPS + 1)); // to zero, so that it settles
      values[i] = (values[i] as number) - (rate * m) / (Math.sqrt(s) + 1e-8);
    }
    values[0] = Math.max(values[0] as number, 0.05);
  }
  const bias = values.slice(1);
  const centre = bias.reduce((a, b) => a + b, 0) / Math.max(1, width);
  return { temperature: 1 / (values[0] as number), bias: bias.map((value) => value - centre) };
}

/** Scores under a calibration. */
export function calibrated(logits: ArrayLike<number>, { temperature, bias }: Calibration) {
  return softmax(Array.from(logits, (z, k) => z / temperature + (bias[k] as number)));
}

/** At most this share of a class's right answers may abstain. */
const LOST_SHARE = 0.01;
const HIGHEST = 0.5;

/**
 * Threshold per label: as high as it may be while no more than 1 % of the right validation answers
 * fall below it, and at most 0.5; that also where no answer was right, and so nothing is known.
 */
export function chooseThresholds(
  labels: readonly string[],
  scores: readonly ArrayLike<number>[],
  truth: readonly number[],
): Record<string, number> {
  return Object.fromEntries(
    labels.map((label, k) => {
      const right = scores
        .filter((row, i) => truth[i] === k && argmax(row) === k)
        .map((row) => row[k] as number)
        .sort((a, b) => a - b);
      const quantile = right[Math.floor(LOST_SHARE * right.length)] ?? HIGHEST;
      return [label, Math.floor(Math.min(HIGHEST, quantile) * 1000) / 1000];
    }),
  );
}
