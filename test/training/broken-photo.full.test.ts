import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SILENT } from '../../src/training/reporter.ts';
import { openSources } from '../../src/training/sources.ts';
import { runStage } from '../../src/training/stages/stage.ts';
import type { TrainRun } from '../../src/training/train-run.ts';
import { openBelow, temporaryDir } from '../daemon/support.ts';
import { network, stageContext } from './stage-context.ts';

/** A photo that can be read no longer, in the middle of a training run. */

function unhandled(): unknown[] {
  const seen: unknown[] = [];
  const note = (reason: unknown) => void seen.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  return seen;
}

test('while a checkpoint is being written: the stage ends with its error', async () => {
  const net = await network();
  const seen = unhandled();
  let drawn = 0;
  const source = async (examples: readonly unknown[]) => {
    drawn += 1;
    if (drawn === 2) throw new Error('kitchen/a.jpg: gone');
    return net.tf.zeros([examples.length, 256]);
  };
  const save = vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, 200)));
  const context = stageContext(net, [0, 1, 2, 3], source, save, { checkpointMinutes: 0 });
  await expect(runStage(context, 'key', [], null)).rejects.toThrow('kitchen/a.jpg: gone');
  expect(save).toHaveBeenCalled();
  expect(seen).toEqual([]);
});

test('while features are computed: no file stays open, also when the run is stopped', async () => {
  const { tf, layers, weights } = await network();
  const seen = unhandled();
  const dir = await temporaryDir();
  const photo = { file: 'kitchen/gone.jpg', label: 0 };
  const plan = {
    ...{ layers, cached: [], validation: [{ photo, variant: 0 }] },
    stages: [{ name: 'head', cut: 'mixed8' }],
    dataset: { dir: join(dir, 'nowhere'), labels: ['kitchen', 'hall'], photos: [photo] },
  };
  const open = (signal?: AbortSignal) => {
    const run = { tf, plan, options: { seed: 1 }, reporter: SILENT, signal };
    return openSources(run as unknown as TrainRun, weights, join(dir, 'features'));
  };
  await expect(open()).rejects.toThrow('gone.jpg');
  await expect(open(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  await sleep(200);
  expect(seen).toEqual([]);
  expect(await openBelow(dir)).toEqual([]);
});
