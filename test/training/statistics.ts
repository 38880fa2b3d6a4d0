import { forward, type Weights } from '../../src/inference/network/forward.ts';
import type { Layer } from '../../src/inference/network/inceptionv3.ts';
import { LOGITS } from '../../src/inference/network/inceptionv3.ts';
import type { Tensor, Tensor4D, Tfjs } from '../../src/inference/tfjs.ts';

/**
 * Median over the channels of each convolution's output before ReLU: its standard deviation over
 * all positions of the given photos. With weights in the right layout and order it is near 1.
 * @param batches scaled photos, [n, 299, 299, 3].
 */
export async function preActivationStd(
  tf: Tfjs,
  layers: readonly Layer[],
  weights: Weights,
  batches: AsyncIterable<Tensor4D>,
): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, { mean: Tensor; square: Tensor; photos: number }>();
  for await (const x of batches) {
    tf.tidy(() => {
      forward(tf, layers, weights, x, LOGITS, undefined, {
        preActivation(layer, y) {
          const n = y.shape[0];
          const mean = y.mean([0, 1, 2]).mul(n);
          const square = y.square().mean([0, 1, 2]).mul(n);
          const old = sums.get(layer);
          sums.set(layer, {
            mean: tf.keep(old ? old.mean.add(mean) : mean),
            square: tf.keep(old ? old.square.add(square) : square),
            photos: (old?.photos ?? 0) + n,
          });
          tf.dispose([old?.mean, old?.square].filter((t) => t !== undefined));
        },
      });
    });
  }
  const medians = new Map<string, number>();
  for (const [layer, { mean, square, photos }] of sums) {
    const std = tf.tidy(() =>
      square.div(photos).sub(mean.div(photos).square()).maximum(0).sqrt().dataSync(),
    ) as Float32Array;
    const sorted = std.slice().sort();
    medians.set(layer, sorted[sorted.length >> 1] as number);
    tf.dispose([mean, square]);
  }
  return medians;
}
