import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadBundle, verifyBundle } from '../../src/inference/bundle.ts';
import type { EngineFactory } from '../../src/inference/engine.ts';
import { createOnnxruntimeEngine } from '../../src/inference/engines/onnxruntime.ts';
import { createTfjsNodeEngine } from '../../src/inference/engines/tfjs-node.ts';
import { readSafetensors } from '../../src/inference/network/safetensors.ts';
import { preprocess } from '../../src/inference/preprocess.ts';
import { TRAINING_LIMITS } from '../../src/training/data/dataset.ts';
import { argmax } from '../../src/training/metrics.ts';
import { drawPhotos, PATTERN_LABELS } from './fixture-photos.ts';

/** The real command, from start to a model that answers, on 60 drawn photos in 3 classes. */
const BASE = '../shared/weights/inceptionv3-imagenet-folded.f16.safetensors';
const CLI = 'dist/cli.js';

let dir = '';
beforeAll(async () => {
  if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run "npm run build" first`);
  dir = await mkdtemp(join(tmpdir(), 'retagger-train-'));
  await drawPhotos(join(dir, 'photos'), 20);
  await drawPhotos(join(dir, 'unseen'), 24);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function start(out: string, ...more: string[]): { child: ChildProcess; log: () => string } {
  const settings = ['--head-epochs', '3', '--epochs', '1', '--batch', '9', '--examples', '20'];
  const child = spawn(process.execPath, [
    ...[CLI, 'train', '--data', join(dir, 'photos'), '--out', join(dir, out), '--base', BASE],
    ...['--cache', join(dir, 'features'), '--lr', '3e-4', '--ema', '0.9', '--validation', '0.2'],
    ...['--checkpoint-minutes', '0.05', ...settings, ...more],
  ]);
  let text = '';
  child.stderr?.on('data', (chunk) => {
    text += chunk;
  });
  return { child, log: () => text };
}

async function finish(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const [code] = await once(child, 'exit');
  return code as number | null;
}

async function until(condition: () => boolean, child: ChildProcess): Promise<void> {
  while (!condition()) {
    if (child.exitCode !== null) throw new Error(`ended too early with ${child.exitCode}`);
    await sleep(20);
  }
}

const losses = async (out: string) =>
  (
    JSON.parse(await readFile(join(dir, out, 'learning.json'), 'utf8')).history as {
      loss: number;
      validationLoss: number;
    }[]
  ).map(({ loss, validationLoss }) => [loss, validationLoss]);

/** Right answers of an engine on photos that were not trained on. */
async function rightAnswers(factory: EngineFactory): Promise<number> {
  const engine = await factory(await loadBundle(join(dir, 'whole')), { threads: 2 });
  let right = 0;
  try {
    for (const [k, label] of PATTERN_LABELS.entries()) {
      for (const n of [20, 21, 22, 23]) {
        const { pixels } = await preprocess(
          join(dir, 'unseen', label, `${n}.jpg`),
          TRAINING_LIMITS,
        );
        right += argmax(await engine.infer(pixels)) === k ? 1 : 0;
      }
    }
  } finally {
    await engine.close();
  }
  return right;
}

test('a whole run leaves a model folder that both engines serve', {
  timeout: 900_000,
}, async () => {
  const { child, log } = start('whole', '--unfreeze', 'mixed8');
  expect(await finish(child), log()).toBe(0);
  const bundle = await loadBundle(join(dir, 'whole'));
  await verifyBundle(bundle);
  expect(bundle.manifest.labels).toEqual(PATTERN_LABELS);
  expect(await losses('whole')).toHaveLength(4);
  for (const file of ['MODEL_CARD.md', 'learning-curve.png', 'confusion.png']) {
    expect(existsSync(join(dir, 'whole', file)), file).toBe(true);
  }
  expect(await rightAnswers(createTfjsNodeEngine)).toBeGreaterThanOrEqual(10);
  expect(await rightAnswers(createOnnxruntimeEngine)).toBeGreaterThanOrEqual(10);
});

test('killed, stopped by Ctrl-C and resumed, it has the losses of the whole run', {
  timeout: 900_000,
}, async () => {
  const checkpoint = join(dir, 'broken', '.training', 'checkpoint.json');
  const first = start('broken', '--unfreeze', 'mixed8');
  await until(() => existsSync(checkpoint), first.child);
  first.child.kill('SIGKILL');
  await finish(first.child);

  const second = start('broken', '--unfreeze', 'mixed8', '--resume');
  await until(() => second.log().includes('epoch 2:'), second.child);
  second.child.kill('SIGINT');
  expect(await finish(second.child), second.log()).toBe(130);
  expect(existsSync(checkpoint)).toBe(true);

  const third = start('broken', '--unfreeze', 'mixed8', '--resume');
  expect(await finish(third.child), third.log()).toBe(0);
  expect(await losses('broken')).toEqual(await losses('whole'));
});

test('a finished stage is taken where nothing changed for it, and only there', {
  timeout: 900_000,
}, async () => {
  const same = start('broken', '--unfreeze', 'mixed8', '--resume');
  expect(await finish(same.child), same.log()).toBe(0);
  for (const stage of ['head', 'full']) {
    expect(same.log()).toContain(`stage ${stage} was finished before`);
  }
  const longer = start('broken', '--unfreeze', 'mixed8', '--resume', '--epochs', '2');
  expect(await finish(longer.child), longer.log()).toBe(0);
  expect(longer.log()).toContain('stage head was finished before');
  expect(longer.log()).not.toContain('stage full was finished before');
  expect(await losses('broken')).toHaveLength(5);
});

test('a second stage that was broken off goes on, however long either was to take', {
  timeout: 900_000,
}, async () => {
  const first = start('cut', '--unfreeze', 'mixed8', '--epochs', '3');
  await until(() => first.log().includes('full epoch 1:'), first.child);
  first.child.kill('SIGINT');
  expect(await finish(first.child), first.log()).toBe(130);
  const more = ['--head-epochs', '4', '--epochs', '2', '--patience', '4'];
  const second = start('cut', '--unfreeze', 'mixed8', '--resume', ...more);
  expect(await finish(second.child), second.log()).toBe(0);
  expect(second.log()).toContain('stage head was finished before');
  expect(second.log()).not.toContain('full epoch 1:');
  expect(await losses('cut')).toHaveLength(5);
});

test('other settings do not continue a checkpoint', async () => {
  const checkpoint = join(dir, 'other', '.training', 'checkpoint.json');
  const first = start('other', '--unfreeze', 'none');
  await until(() => existsSync(checkpoint), first.child);
  first.child.kill('SIGKILL');
  await finish(first.child);
  const second = start('other', '--unfreeze', 'none', '--resume', '--dropout', '0.1');
  expect(await finish(second.child)).toBe(1);
  expect(second.log()).toMatch(/other settings or photos; --overwrite instead of --resume/);
});

test('weights trained elsewhere are calibrated and exported as they are', {
  timeout: 300_000,
}, async () => {
  const base = join(dir, 'whole', 'weights.f16.safetensors');
  const nothing = ['--head-epochs', '0', '--unfreeze', 'none'];
  const { child, log } = start('given', ...nothing, '--base', base);
  expect(await finish(child), log()).toBe(0);
  await verifyBundle(await loadBundle(join(dir, 'given')));
  const [given, whole] = await Promise.all(
    ['given', 'whole'].map((out) => readSafetensors(join(dir, out, 'weights.f16.safetensors'))),
  );
  expect(given?.get('conv2d_94/kernel')).toEqual(whole?.get('conv2d_94/kernel'));
  expect(existsSync(join(dir, 'given', 'learning-curve.png'))).toBe(false);
});
