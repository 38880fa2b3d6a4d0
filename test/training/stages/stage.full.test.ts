import { expect, test } from 'vitest';
import type { Tensors } from '../../../src/inference/network/safetensors.ts';
import type { Progress } from '../../../src/training/checkpoint.ts';
import type { Stored } from '../../../src/training/record-store.ts';
import { runStage } from '../../../src/training/stages/stage.ts';
import { network, stageContext } from '../stage-context.ts';

test('stopped while an epoch is judged it goes on there, and ends like a whole run', async () => {
  const net = await network();
  const saved: Stored<Progress>[] = [];
  let drawn = 0;
  const context = (signal?: AbortSignal, onDraw = () => {}) => {
    const source = async () => {
      drawn += 1;
      onDraw();
      return net.tf.fill([2, 256], 0.1);
    };
    const save = async (record: Progress, tensors: Tensors) => saved.push({ record, tensors });
    return stageContext(net, [0, 1, 2, 3], source, save, signal ? { signal } : {});
  };
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
  expect(last?.record).toMatchObject({ epoch: 0, step: 2, history: [] });
  const resumed = await runStage(context(), 'key', [], last);
  expect(resumed.history).toEqual(whole.history);
});
