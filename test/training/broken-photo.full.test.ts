import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import { loadTfjs } from '../../src/inference/tfjs.ts';
import { loadWeights } from '../../src/inference/weights.ts';
import { openSources } from '../../src/training/sources.ts';
import { runStage } from '../../src/training/stage.ts';

/** A photo that can be read no longer, in the middle of a training run. */
const reporter = { note() {}, start() {}, update() {}, end() {} };

async function network() {
  const { layers, weights } = await loadWeights(await loadBundle(BUNDLED_MODEL_DIR));
  return { layers, weights, tf: await loadTfjs(1) };
}

function unhandled(): unknown[] {
  const seen: unknown[] = [];
  const note = (reason: unknown) => void seen.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  return seen;
}

test('while a checkpoint is being written: the stage ends with its error', async () => {
  const { tf, layers, weights } = await network();
  const seen = unhandled();
  let drawn = 0;
  const source = async (examples: readonly unknown[]) => {
    drawn += 1;
    if (drawn === 2) throw new Error('kitchen/a.jpg: gone');
    return tf.zeros([examples.length, 256]);
  };
  const examples = [0, 1, 2, 3].map((label) => ({
    photo: { file: `kitchen/${label}.jpg`, label },
    variant: 0,
  }));
  const options = {
    ...{ batch: 2, ema: 0, rho: 0.9, warmup: 0, schedule: 'constant', dropout: 0 },
    ...{ labelSmoothing: 0, seed: 1, checkpointMinutes: 0, patience: 1 },
  };
  const save = vi.fn(() => new Promise<void>((resolve) => setTimeout(resolve, 200)));
  const context = {
    ...{ tf, name: 'head', layers, weights, labels: ['a', 'b', 'c', 'd', 'e', 'f'], cut: 'dense' },
    ...{ source, sampler: () => examples, validation: examples, options, reporter },
    ...{ settings: { epochs: 1, learningRate: 1e-4 }, store: { save }, signal: undefined },
  } as unknown as Parameters<typeof runStage>[0];
  await expect(runStage(context, 'key', [], null)).rejects.toThrow('kitchen/a.jpg: gone');
  expect(save).toHaveBeenCalled();
  expect(seen).toEqual([]);
});

test('while features are computed: no file stays open, also when the run is stopped', async () => {
  const { tf, layers, weights } = await network();
  const seen = unhandled();
  const dir = await mkdtemp(join(tmpdir(), 'retagger-broken-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const photo = { file: 'kitchen/gone.jpg', label: 0 };
  const plan = {
    ...{ layers, cached: [], validation: [{ photo, variant: 0 }] },
    stages: [{ name: 'head', cut: 'mixed8' }],
    dataset: { dir: join(dir, 'nowhere'), labels: ['kitchen', 'hall'], photos: [photo] },
  } as unknown as Parameters<typeof openSources>[1];
  const open = (signal?: AbortSignal) =>
    openSources(tf, plan, weights, join(dir, 'features'), 1, reporter, signal);
  await expect(open()).rejects.toThrow('gone.jpg');
  await expect(open(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(seen).toEqual([]);
  const files = await readdir('/proc/self/fd');
  const links = await Promise.all(
    files.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  expect(links.filter((path) => path.startsWith(dir))).toEqual([]);
});
