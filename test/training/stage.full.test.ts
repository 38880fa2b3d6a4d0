import { expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import type { Tensors } from '../../src/inference/safetensors.ts';
import { loadTfjs } from '../../src/inference/tfjs.ts';
import { loadWeights } from '../../src/inference/weights.ts';
import type { Progress } from '../../src/training/checkpoint.ts';
import { SILENT } from '../../src/training/options.ts';
import { runStage } from '../../src/training/stage.ts';

test('stopped while an epoch is judged it goes on there, and ends like a whole run', async () => {
  const { layers, weights } = await loadWeights(await loadBundle(BUNDLED_MODEL_DIR));
  const tf = await loadTfjs(1);
  const examples = [0, 1, 2, 3].map((label) => ({
    photo: { file: `${label}.jpg`, label },
    variant: 0,
  }));
  const options = {
    ...{ batch: 2, ema: 0, rho: 0.9, warmup: 0, schedule: 'constant', dropout: 0 },
    ...{ labelSmoothing: 0, seed: 1, checkpointMinutes: 5, patience: 1 },
  };
  const saved: { progress: Progress; tensors: Tensors }[] = [];
  let drawn = 0;
  const context = (signal?: AbortSignal, onDraw = () => {}) =>
    ({
      ...{ tf, name: 'head', layers, weights, labels: ['a', 'b', 'c', 'd', 'e', 'f'] },
      ...{ cut: 'dense', sampler: () => examples, validation: examples, options },
      ...{ reporter: SILENT, signal, settings: { epochs: 1, learningRate: 1e-4 } },
      source: async () => {
        drawn += 1;
        onDraw();
        return tf.fill([2, 256], 0.1);
      },
      store: {
        save: async (progress: Progress, tensors: Tensors) => saved.push({ progress, tensors }),
      },
    }) as unknown as Parameters<typeof runStage>[0];
  const whole = await runStage(context(), 'key', [], null);

  const controller = new AbortController();
  drawn = 0;
  // Two steps of training, then the first batch of two that are judged.
  const stopped = runStage(
    context(controller.signal, () => {
      if (drawn === 3) controller.abort();
    }),
    'key',
    [],
    null,
  );
  await expect(stopped).rejects.toMatchObject({ name: 'Interrupted' });
  expect(drawn).toBe(3);
  const last = saved.at(-1) ?? null;
  expect(last?.progress).toMatchObject({ epoch: 0, step: 2, history: [] });
  const resumed = await runStage(context(), 'key', [], last);
  expect(resumed.history).toEqual(whole.history);
});
