import { softmax } from '../../inference/scores.ts';
import type { EpochRecord } from '../checkpoint.ts';
import type { Example } from '../examples/examples.ts';
import { evaluateScores } from '../metrics.ts';

/** @throws Error for a loss that no further step brings back. */
export function checkLoss(of: string, loss: number): void {
  if (Number.isFinite(loss)) return;
  throw new Error(`${of}: the loss is ${loss}: training has diverged; try a lower learning rate`);
}

/**
 * Mean cross-entropy without label smoothing, accuracy and macro F1 on the validation photos.
 * @throws Error as `checkLoss`.
 */
export function judge(
  labels: readonly string[],
  examples: readonly Example[],
  logits: Float32Array[],
) {
  const truth = examples.map(({ photo }) => photo.label);
  const scores = logits.map((row) => softmax(row));
  const sum = scores.reduce((sofar, row, i) => {
    return sofar - Math.log(Math.max(row[truth[i] as number] as number, 1e-12));
  }, 0);
  const loss = sum / truth.length;
  // An epoch's last step may have done it: a training loss is of the weights before its step.
  checkLoss('validation', loss);
  const { accuracy, macroF1 } = evaluateScores(labels, truth, scores);
  return {
    validationLoss: loss,
    validationAccuracy: accuracy,
    validationMacroF1: macroF1,
  };
}

/** For people. */
export function describe(record: EpochRecord): string {
  const { stage, epoch, loss, accuracy, validationLoss, validationAccuracy } = record;
  return (
    `${stage} epoch ${epoch}: loss ${loss.toFixed(4)} accuracy ${accuracy.toFixed(4)}; validation ` +
    `loss ${validationLoss.toFixed(4)} accuracy ${validationAccuracy.toFixed(4)} ` +
    `macro F1 ${record.validationMacroF1.toFixed(4)}`
  );
}
