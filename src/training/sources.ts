import { hash } from 'node:crypto';
import { uploadWeights } from '../inference/network/forward.ts';
import { INPUT } from '../inference/network/inceptionv3.ts';
import { encodeSafetensors, type Tensor, type Tensors } from '../inference/network/safetensors.ts';
import { layerShapes, type Shape } from '../inference/network/shapes.ts';
import { tooLittleSpace } from './disk-space.ts';
import { exampleName } from './examples/examples.ts';
import { FeatureCache } from './examples/feature-cache.ts';
import { exampleBatch, fillCaches } from './examples/features.ts';
import type { Plan } from './prepare.ts';
import { random } from './random.ts';
import { weightNames } from './stages/parameters.ts';
import type { FeatureSource } from './stages/predict.ts';
import type { TrainRun } from './train-run.ts';

/** What each cut's stage reads: features from disk, or fresh pixels where nothing is frozen. */
export interface Sources {
  readonly of: (cut: string) => FeatureSource;
  close(): Promise<void>;
}

/** Of the caches' files, and of the way from a photo to pixels: raised when one of them changes. */
const FORMAT = 2;

/** Hash of all weights up to a layer: features depend on these and the augmentations only. */
function frozenKey(plan: Plan, weights: Tensors, cut: string, seed: number): string {
  const names = weightNames(plan.layers, INPUT, cut);
  const frozen = new Map(names.map((name) => [name, weights.get(name) as Tensor]));
  return `${FORMAT}/${hash('sha256', encodeSafetensors(frozen, 'F16'))}/${seed}`;
}

/**
 * Computes on disk what the stages read, in one pass through the network.
 * @param weights of the whole network.
 * @param dir of the features.
 */
export async function openSources(run: TrainRun, weights: Tensors, dir: string): Promise<Sources> {
  const { tf, plan, reporter } = run;
  const { seed } = run.options;
  const stops = new Set(plan.stages.map(({ cut }) => cut));
  const cuts = plan.layers.map(({ name }) => name).filter((name) => stops.has(name));
  const uploaded = uploadWeights(tf, weights);
  const shapes = layerShapes(plan.layers);
  const caches = new Map<string, FeatureCache>();
  const close = async () => {
    for (const cache of caches.values()) await cache.close();
  };
  try {
    for (const cut of cuts) {
      const key = frozenKey(plan, weights, cut, seed);
      caches.set(cut, await FeatureCache.open(dir, cut, shapes.get(cut) as Shape, key));
    }
    // Shuffled, so that a time estimate and a half-filled cache speak for all classes.
    const examples = [...plan.validation, ...random(seed, 'cache').shuffle([...plan.cached])];
    let needed = 0;
    for (const cache of caches.values()) {
      needed += cache.bytesOf(examples.filter((e) => !cache.has(exampleName(e))).length);
    }
    const warning = caches.size > 0 ? await tooLittleSpace(dir, needed) : null;
    if (warning) reporter.note(warning);
    const all = [...caches.values()];
    await fillCaches(run, uploaded, examples, all);
  } catch (error) {
    await close();
    throw error;
  } finally {
    tf.dispose([...uploaded.values()]);
  }
  return {
    of(cut) {
      const cache = caches.get(cut);
      if (!cache) return (examples) => exampleBatch(tf, plan.dataset, examples, seed);
      return async (examples) => {
        const values = await cache.read(examples.map(exampleName));
        return tf.tensor(values, [examples.length, ...cache.shape], 'float32');
      };
    },
    close,
  };
}
