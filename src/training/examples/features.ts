import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { forward, scalePixels, type Weights } from '../../inference/network/forward.ts';
import { INPUT, INPUT_SIZE } from '../../inference/network/inceptionv3.ts';
import { preprocess } from '../../inference/preprocess.ts';
import type { Tensor, Tensor4D, Tfjs } from '../../inference/tfjs.ts';
import { type Dataset, TRAINING_LIMITS } from '../data/dataset.ts';
import { random } from '../random.ts';
import type { TrainRun } from '../train-run.ts';
import { augment, drawAugmentation } from './augment.ts';
import { type Example, exampleName } from './examples.ts';
import type { FeatureCache } from './feature-cache.ts';

/** 299×299×3 bytes, preprocessed exactly as in serving. */
export async function examplePixels(
  dataset: Dataset,
  { photo, variant }: Example,
  seed: number,
): Promise<Uint8Array> {
  const path = join(dataset.dir, photo.file);
  const plan = variant === 0 ? null : drawAugmentation(random(seed, photo.file, variant));
  try {
    const input = plan ? await augment(await readFile(path), plan) : path;
    return (await preprocess(input, TRAINING_LIMITS)).pixels;
  } catch (error) {
    throw new Error(`${photo.file}: ${(error as Error).message}`, { cause: error });
  }
}

/** [n, 299, 299, 3], scaled for the network. The caller disposes of it. */
export async function exampleBatch(
  tf: Tfjs,
  dataset: Dataset,
  examples: readonly Example[],
  seed: number,
): Promise<Tensor4D> {
  const pixels = await Promise.all(examples.map((e) => examplePixels(dataset, e, seed)));
  return toBatch(tf, pixels);
}

function toBatch(tf: Tfjs, pixels: readonly Uint8Array[]): Tensor4D {
  return tf.tidy(() => {
    const side = [INPUT_SIZE, INPUT_SIZE, 3] as const;
    const values = new Int32Array(pixels.length * INPUT_SIZE * INPUT_SIZE * 3);
    for (const [i, one] of pixels.entries()) values.set(one, i * one.length);
    return scalePixels(tf, tf.tensor4d(values, [pixels.length, ...side], 'int32'));
  });
}

const BATCH = 16;

/**
 * Computes what the caches lack, in one pass through the network.
 * @param caches in the network's order: each layer is computed from the one before it.
 */
export async function fillCaches(
  { tf, plan, options, reporter, signal }: TrainRun,
  weights: Weights,
  examples: readonly Example[],
  caches: readonly FeatureCache[],
): Promise<void> {
  const { layers, dataset } = plan;
  const missing = examples.filter((e) => caches.some((cache) => !cache.has(exampleName(e))));
  const chunks: Example[][] = [];
  for (let i = 0; i < missing.length; i += BATCH) chunks.push(missing.slice(i, i + BATCH));
  const load = (chunk: readonly Example[] | undefined) => {
    const pixels = Promise.all((chunk ?? []).map((e) => examplePixels(dataset, e, options.seed)));
    pixels.catch(() => {}); // reported when its turn comes
    return pixels;
  };
  // Decoding of the next chunk runs on libuv's threads while TensorFlow computes this one.
  let next = load(chunks[0]);
  for (const [i, chunk] of chunks.entries()) {
    signal?.throwIfAborted();
    const pixels = await next;
    next = load(chunks[i + 1]);
    const outputs = tf.tidy(() => {
      let x: Tensor = toBatch(tf, pixels);
      let from = INPUT;
      return caches.map((cache) => {
        x = forward(tf, layers, weights, x, cache.layer, from);
        from = cache.layer;
        return x;
      });
    });
    for (const [k, cache] of caches.entries()) {
      const values = (await outputs[k]?.data()) as Float32Array;
      const rows = chunk.map(exampleName);
      const size = values.length / rows.length;
      const fresh = rows.filter((name) => !cache.has(name));
      const kept = new Float32Array(fresh.length * size);
      for (const [to, name] of fresh.entries()) {
        const row = rows.indexOf(name);
        kept.set(values.subarray(row * size, (row + 1) * size), to * size);
      }
      if (fresh.length > 0) await cache.append(fresh, kept);
    }
    tf.dispose(outputs);
    // Shown from the first that is done, which takes longer than the others.
    if (i === 0) reporter.start('features', missing.length);
    reporter.update(Math.min(missing.length, (i + 1) * BATCH));
  }
  if (missing.length > 0) reporter.end();
}
