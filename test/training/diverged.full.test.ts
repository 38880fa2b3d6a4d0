import { expect, test, vi } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import { loadTfjs } from '../../src/inference/tfjs.ts';
import { loadWeights } from '../../src/inference/weights.ts';
import { SILENT } from '../../src/training/options.ts';
import { runStage } from '../../src/training/stage.ts';

test('a loss that is no number ends the training, and says what to try', async () => {
  const { layers, weights } = await loadWeights(await loadBundle(BUNDLED_MODEL_DIR));
  const tf = await loadTfjs(1);
  const examples = [0, 1].map((label) => ({ photo: { file: `${label}.jpg`, label }, variant: 0 }));
  const options = {
    ...{ batch: 2, ema: 0, rho: 0.9, warmup: 0, schedule: 'constant', dropout: 0 },
    ...{ labelSmoothing: 0, seed: 1, checkpointMinutes: 5, patience: 1 },
  };
  const context = {
    ...{ tf, name: 'head', layers, weights, labels: ['a', 'b', 'c', 'd', 'e', 'f'], cut: 'dense' },
    ...{ source: async () => tf.fill([2, 256], Number.NaN), sampler: () => examples },
    ...{ validation: examples, options, reporter: SILENT, signal: undefined },
    ...{ settings: { epochs: 1, learningRate: 1e-4 }, store: { save: vi.fn() } },
  } as unknown as Parameters<typeof runStage>[0];
  await expect(runStage(context, 'key', [], null)).rejects.toThrow(
    'head: the loss is NaN: training has diverged; try a lower learning rate',
  );
});
