import type { Scores } from '../result.ts';
import type { Manifest } from './bundle.ts';

/** A network's answer about one photo. */
export interface Verdict {
  /** The label with the highest score; null where that is below the label's threshold. */
  readonly tag: string | null;
  /** The highest score, also where there is no tag. */
  readonly score: number;
  /** By label, in the model's order; each in 0..1, summing to 1. */
  readonly scores: Scores;
}

/** What a model says of its outputs. */
export type Labelling = Pick<Manifest, 'labels' | 'thresholds' | 'temperature'>;

/**
 * Softmax with the model's temperature, then the threshold.
 * @param logits one per label, in the manifest's order.
 * @throws Error where a logit is missing or not finite: such numbers must not look like an answer.
 */
export function toVerdict(logits: ArrayLike<number>, manifest: Labelling): Verdict {
  const { labels, thresholds, temperature } = manifest;
  const values = Array.from(logits);
  if (values.length !== labels.length || !values.every(Number.isFinite)) {
    throw new Error(
      `the engine gave ${values.length} logits (${values}) for ${labels.length} labels`,
    );
  }
  const shares = softmax(values, temperature);
  const scores = Object.fromEntries(labels.map((label, i) => [label, shares[i] as number]));
  const best = labels[values.indexOf(Math.max(...values))] as string;
  const score = scores[best] as number;
  return { tag: score >= (thresholds[best] ?? 0) ? best : null, score, scores };
}

/** Logits to probabilities, summing to 1. */
export function softmax(logits: ArrayLike<number>, temperature = 1): Float64Array {
  const values = Float64Array.from(logits);
  // Less the largest, so that no exponential overflows.
  const largest = Math.max(...values);
  const weights = values.map((value) => Math.exp((value - largest) / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
