import { forward } from '../../inference/network/forward.ts';
import { type Layer, LOGITS } from '../../inference/network/inceptionv3.ts';
import type { Optimizer, Scalar, Tensor, Tensor1D, Tensor2D, Tfjs } from '../../inference/tfjs.ts';
import { random } from '../random.ts';
import type { Parameters } from './parameters.ts';

export interface StepOptions {
  readonly layers: readonly Layer[];
  /** Layer whose output comes in. */
  readonly cut: string;
  /** Share of a dropout layer's inputs that become zero; the others are scaled up by 1 / (1 - it). */
  readonly dropout: number;
  /** s: the target is (1 - s) × one-hot + s / labels (Szegedy et al. 2016). */
  readonly labelSmoothing: number;
  readonly seed: number;
}

/** Softmax cross-entropy, mean over the batch. */
function crossEntropy(
  tf: Tfjs,
  truth: readonly number[],
  logits: Tensor2D,
  labelSmoothing: number,
): Scalar {
  const oneHot = tf.oneHot(tf.tensor1d([...truth], 'int32'), logits.shape[1]);
  return tf.losses.softmaxCrossEntropy(oneHot, logits, undefined, labelSmoothing) as Scalar;
}

/**
 * One step of gradient descent. `stream` numbers the step, so that its dropout can be repeated.
 * @param x output of the cut, [n, …].
 * @returns mean loss over the batch in nats, and how many of it were right.
 */
export function trainStep(
  tf: Tfjs,
  parameters: Parameters,
  optimizer: Optimizer,
  x: Tensor,
  truth: readonly number[],
  stream: string,
  options: StepOptions,
): { readonly loss: number; readonly right: number } {
  return tf.tidy(() => {
    let logits: Tensor2D | undefined;
    const dropout = (y: Tensor) => {
      const seed = random(options.seed, 'dropout', stream).integer(2 ** 31);
      return tf.dropout(y, options.dropout, undefined, seed);
    };
    const { value, grads } = optimizer.computeGradients(() => {
      const { layers, cut } = options;
      const use = options.dropout > 0 ? { dropout } : {};
      const y = forward(tf, layers, parameters.trained, x, LOGITS, cut, use) as Tensor2D;
      logits = tf.keep(y.clone());
      return crossEntropy(tf, truth, y, options.labelSmoothing);
    }, [...parameters.trained.values()]);
    optimizer.applyGradients(grads);
    const predicted = (logits as Tensor2D).argMax(1) as Tensor1D;
    const right = predicted
      .equal(tf.tensor1d([...truth], 'int32'))
      .sum()
      .dataSync()[0] as number;
    logits?.dispose();
    return { loss: value.dataSync()[0] as number, right };
  });
}
