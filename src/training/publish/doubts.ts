import { bestEpoch, type EpochRecord } from '../checkpoint.ts';
import type { Evaluation } from '../metrics.ts';

/** Times the loss of a network that knows nothing: such a training has diverged. */
const ABSURD = 10;
/** Two ways to the same figure may differ by so much. */
const ROUNDING = 1e-9;

/** F1 of one class alone, where all photos are given it; the other classes' is 0. */
function macroF1OfCommonest({ perClass }: Evaluation): number {
  const supports = perClass.map(({ support }) => support).filter((support) => support > 0);
  const most = Math.max(...supports);
  const all = supports.reduce((a, b) => a + b, 0);
  return (2 * most) / (all + most) / supports.length;
}

/**
 * Why a model may be no good, for people. Photos of all kinds and settings of all kinds are taken; not
 * all of them teach anything.
 * @param history of the stage that is shipped.
 */
export function doubts(validation: Evaluation, history: readonly EpochRecord[]): string[] {
  const { perClass, macroF1, confusion } = validation;
  const found: string[] = [];
  // Of the epoch whose weights are taken: what later ones came to is no matter.
  const best = bestEpoch(history);
  const loss = best && Math.max(best.loss, best.validationLoss);
  if (loss !== undefined && !(loss < ABSURD * Math.log(perClass.length))) {
    found.push(
      `the loss is ${loss.toPrecision(3)}: training has diverged; try a lower learning rate`,
    );
  }
  if (macroF1 <= macroF1OfCommonest(validation) + ROUNDING) {
    found.push(
      `macro F1 ${macroF1.toFixed(3)} on validation is no better than always to say the commonest class`,
    );
  }
  const never = perClass.filter((_, k) => confusion[k]?.[k] === 0).map(({ label }) => label);
  if (never.length > 0) found.push(`not one validation photo was right of: ${never.join(', ')}`);
  return found;
}
