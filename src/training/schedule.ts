export type ScheduleName = 'constant' | 'cosine';

/**
 * Learning rate of one step.
 * @param step 0 .. total-1.
 * @param total steps of the whole stage.
 * @param warmup steps over which it rises linearly to `peak`.
 */
export function learningRate(
  schedule: ScheduleName,
  peak: number,
  step: number,
  total: number,
  warmup: number,
): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  if (schedule === 'constant') return peak;
  const progress = (step - warmup) / Math.max(1, total - warmup);
  return (peak * (1 + Math.cos(Math.PI * Math.min(1, progress)))) / 2;
}
