/** Logits to probabilities, summing to 1. */
export function softmax(logits: ArrayLike<number>): Float64Array {
  const scores = Float64Array.from(logits);
  const peak = scores.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.exp((scores[i] as number) - peak);
    sum += scores[i] as number;
  }
  return scores.map((value) => value / sum);
}
