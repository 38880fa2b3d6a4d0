import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import { loadWeights } from '../../src/inference/network/weights.ts';
import { loadTfjs } from '../../src/inference/tfjs.ts';
import { SILENT } from '../../src/training/reporter.ts';
import type { StageContext } from '../../src/training/stages/stage.ts';

export async function network() {
  const { layers, weights } = await loadWeights(await loadBundle(BUNDLED_MODEL_DIR));
  return { layers, weights, tf: await loadTfjs(1) };
}

/** The last layer of the bundled network, one epoch, a photo a label, two at a time. */
export function stageContext(
  { tf, layers, weights }: Awaited<ReturnType<typeof network>>,
  labels: readonly number[],
  source: ReturnType<StageContext['sources']['of']>,
  save: (...args: Parameters<StageContext['store']['save']>) => unknown,
  { signal, checkpointMinutes = 5 }: { signal?: AbortSignal; checkpointMinutes?: number } = {},
): StageContext {
  const examples = labels.map((label) => ({
    photo: { file: `kitchen/${label}.jpg`, label },
    variant: 0,
  }));
  const options = {
    ...{ batch: 2, ema: 0, rho: 0.9, warmup: 0, schedule: 'constant', dropout: 0 },
    ...{ labelSmoothing: 0, seed: 1, checkpointMinutes, patience: 1 },
    head: { epochs: 1, learningRate: 1e-4 },
  };
  const dataset = { labels: ['a', 'b', 'c', 'd', 'e', 'f'] };
  return {
    ...{ tf, stage: { name: 'head', cut: 'dense' }, weights, sampler: () => examples },
    ...{ plan: { layers, dataset, validation: examples }, sources: { of: () => source } },
    ...{ options, reporter: SILENT, store: { save }, signal },
  } as unknown as StageContext;
}
