import { forward, type Weights } from '../../inference/network/forward.ts';
import { type Layer, LOGITS } from '../../inference/network/inceptionv3.ts';
import type { Tensor, Tfjs } from '../../inference/tfjs.ts';
import type { Example } from '../examples/examples.ts';

/** Gives the output of the cut for some examples, [n, …]. The caller disposes of it. */
export type FeatureSource = (examples: readonly Example[]) => Promise<Tensor>;

export interface Prediction {
  readonly layers: readonly Layer[];
  /** Of the layers above the cut, at least. */
  readonly weights: Weights;
  readonly cut: string;
  readonly examples: readonly Example[];
  readonly source: FeatureSource;
  readonly batch: number;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Logits of each example, without dropout. Stops between two batches. */
export async function predictLogits(tf: Tfjs, prediction: Prediction): Promise<Float32Array[]> {
  const { layers, weights, cut, examples, batch } = prediction;
  const rows: Float32Array[] = [];
  for (let i = 0; i < examples.length; i += batch) {
    prediction.signal?.throwIfAborted();
    const x = await prediction.source(examples.slice(i, i + batch));
    const logits = tf.tidy(() => forward(tf, layers, weights, x, LOGITS, cut));
    const values = (await logits.data()) as Float32Array;
    const width = logits.shape[1] as number;
    for (let at = 0; at < values.length; at += width) rows.push(values.slice(at, at + width));
    tf.dispose([x, logits]);
    prediction.onProgress?.(rows.length);
  }
  return rows;
}
