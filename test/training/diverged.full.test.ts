import { expect, test, vi } from 'vitest';
import { runStage } from '../../src/training/stages/stage.ts';
import { network, stageContext } from './stage-context.ts';

test('a loss that is no number ends the training, and says what to try', async () => {
  const net = await network();
  const source = async () => net.tf.fill([2, 256], Number.NaN);
  const context = stageContext(net, [0, 1], source, vi.fn());
  await expect(runStage(context, 'key', [], null)).rejects.toThrow(
    'head: the loss is NaN: training has diverged; try a lower learning rate',
  );
});
