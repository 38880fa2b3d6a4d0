/** One class of the paper's Table 1. Each figure is in 0..1. */
export interface ClassMetrics {
  readonly label: string;
  /** Of the photos given this label, the share that has it; 0 where none was given it. */
  readonly precision: number;
  /** Of the photos that have this label, the share given it; 0 where none has it. */
  readonly recall: number;
  /** Harmonic mean of both; 0 where both are. */
  readonly f1: number;
  /** Photos that have this label. */
  readonly support: number;
}

export interface Evaluation {
  readonly perClass: readonly ClassMetrics[];
  /** Unweighted mean of F1 over the classes that have photos. */
  readonly macroF1: number;
  readonly accuracy: number;
  /** `confusion[truth][predicted]`: photos. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error of the best score, 15 bins of equal width; 0..1. */
  readonly ece: number;
}

const ECE_BINS = 15;

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** Index of the largest score; the first of equals. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) {
    if ((scores[i] as number) > (scores[best] as number)) best = i;
  }
  return best;
}

/** How far the best score is from the share of right answers, weighted by photos (Guo et al. 2017). */
export function expectedCalibrationError(
  truth: readonly number[],
  scores: readonly ArrayLike<number>[],
): number {
  const bins = Array.from({ length: ECE_BINS }, () => ({ count: 0, score: 0, right: 0 }));
  for (const [i, row] of scores.entries()) {
    const best = argmax(row);
    const score = row[best] as number;
    const bin = bins[Math.min(ECE_BINS - 1, Math.floor(score * ECE_BINS))];
    if (!bin) throw new RangeError(`score ${score} of photo ${i} is not within 0..1`);
    bin.count += 1;
    bin.score += score;
    bin.right += best === truth[i] ? 1 : 0;
  }
  const gap = bins.reduce((sum, bin) => sum + Math.abs(bin.score - bin.right), 0);
  return ratio(gap, scores.length);
}

/**
 * Precision, recall and F1 per class, macro F1, accuracy, confusion matrix and calibration error.
 * The best score is the answer, whatever the thresholds.
 * @param truth index into `labels` per photo.
 * @param scores per photo one score per label, 0..1.
 * @throws RangeError where lengths or indices do not fit.
 */
export function evaluateScores(
  labels: readonly string[],
  truth: readonly number[],
  scores: readonly ArrayLike<number>[],
): Evaluation {
  if (truth.length !== scores.length) {
    throw new RangeError(`${truth.length} labels for ${scores.length} photos`);
  }
  const confusion = labels.map(() => labels.map(() => 0));
  for (const [i, row] of scores.entries()) {
    if (row.length !== labels.length) {
      throw new RangeError(`photo ${i} has ${row.length} scores, not ${labels.length}`);
    }
    const counts = confusion[truth[i] as number];
    if (!counts) throw new RangeError(`photo ${i} has label ${truth[i]}`);
    const predicted = argmax(row);
    counts[predicted] = (counts[predicted] as number) + 1;
  }
  const perClass = labels.map((label, k): ClassMetrics => {
    const right = confusion[k]?.[k] ?? 0;
    const support = confusion[k]?.reduce((sum, count) => sum + count, 0) ?? 0;
    const given = confusion.reduce((sum, counts) => sum + (counts[k] ?? 0), 0);
    const precision = ratio(right, given);
    const recall = ratio(right, support);
    const f1 = ratio(2 * precision * recall, precision + recall);
    return { label, precision, recall, f1, support };
  });
  const present = perClass.filter(({ support }) => support > 0);
  const right = perClass.reduce((sum, _, k) => sum + (confusion[k]?.[k] ?? 0), 0);
  return {
    perClass,
    macroF1: ratio(
      present.reduce((sum, { f1 }) => sum + f1, 0),
      present.length,
    ),
    accuracy: ratio(right, truth.length),
    confusion,
    ece: expectedCalibrationError(truth, scores),
  };
}
