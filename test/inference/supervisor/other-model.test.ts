import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { LABELS, writeTinyBundle } from '../tiny-bundle.ts';
import {
  create,
  dir,
  logged,
  model,
  ROOMS,
  refusedBy,
  tagger,
  useTinyModel,
  version,
} from './support.ts';

/** What another model does to the photos and the worker of the one before it. */

// A worker that does not start is tried again after a tenth of the time.
vi.mock('../../../src/inference/supervisor/supervision.ts', async (original) => {
  const real = await original<typeof import('../../../src/inference/supervisor/supervision.ts')>();
  return { ...real, backoffMs: (faults: number) => real.backoffMs(faults) / 10 };
});
useTinyModel();

it('is taken while photos are tagged, none of which waits or fails', async () => {
  create();
  await tagger.start();
  const folder = await version('8');
  let swapped = false;
  const models: string[] = [];
  const lane = async () => {
    while (!swapped || models.at(-1) !== 'tiny@8') {
      models.push((await tagger.tag(ROOMS[0] as string)).model);
    }
  };
  const lanes = [lane(), lane(), lane()];
  expect((await tagger.swap(folder)).model).toBe('tiny@8');
  swapped = true;
  await Promise.all(lanes);
  expect(new Set(models)).toEqual(new Set(['tiny@7', 'tiny@8']));
  expect(tagger.info?.model).toBe('tiny@8');
  expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 0 });
});

it('is what the next worker has too', async () => {
  create();
  await tagger.start();
  await tagger.swap(await version('13'));
  await expect.poll(() => tagger.pids).toHaveLength(1);
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  await expect.poll(() => tagger.restarts.exit).toBe(1);
  expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@13');
});

it('that is damaged is refused, and the old one goes on', async () => {
  create();
  await tagger.start();
  await expect(tagger.swap(await version('9', true))).rejects.toThrow(/checksum/);
  await expect(tagger.swap(join(dir, 'nowhere'))).rejects.toThrow(/not a model folder/);
  expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
  expect(tagger.info?.model).toBe('tiny@7');
  expect(tagger.state).toBe('ready');
});

it('whose outputs are not its labels is refused by its trial, and the old one goes on', async () => {
  create();
  await tagger.start();
  const folder = await version('16');
  const file = join(folder, 'model.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  const [labels, thresholds] = [[...LABELS, 'garage'], { ...manifest.thresholds, garage: 0 }];
  await writeFile(file, JSON.stringify({ ...manifest, labels, thresholds }));
  await expect(tagger.swap(folder)).rejects.toThrow(/6 logits .* for 7 labels/);
  expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
  expect(tagger.state).toBe('ready');
});

it('waits for a worker that is just being started', async () => {
  create();
  await tagger.start();
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  await expect.poll(() => tagger.state).toBe('restarting');
  expect((await tagger.swap(await version('10'))).model).toBe('tiny@10');
  expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@10');
  // The one before may still be ending.
  await expect.poll(() => tagger.pids).toHaveLength(1);
});

it('that is copied over the old one is not taken by halves: no worker starts with it', async () => {
  const { dir: modelDir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  create({}, { modelDir });
  await tagger.start();
  const file = join(modelDir, 'int8.onnx');
  const bytes = await readFile(file);
  await writeFile(file, Buffer.concat([bytes, Buffer.from(' ')]));
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  const waiting = tagger.tag(ROOMS[0] as string);
  await expect.poll(() => logged.join('')).toMatch(/does not start|checksum/);
  await writeFile(file, bytes);
  expect((await waiting).model).toBe('tiny@7');
  expect(logged.join('')).toContain('checksum');
});

it('cures a box whose worker does not start with the old one any more', async () => {
  const { dir: modelDir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  create({}, { modelDir });
  await tagger.start();
  await writeFile(join(modelDir, 'int8.onnx'), 'damaged');
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  await expect.poll(() => logged.join('')).toContain('does not start');
  const waiting = tagger.tag(ROOMS[0] as string);
  expect((await tagger.swap(await version('11'))).model).toBe('tiny@11');
  expect((await waiting).model).toBe('tiny@11');
  expect([tagger.state, tagger.pids.length]).toEqual(['ready', 1]);
  // Nor is the old one started beside it when its next try would have been due.
  const { pids } = tagger;
  await sleep(300);
  expect(tagger.pids).toEqual(pids);
});

it('that does not load either: the old one is tried on', async () => {
  create();
  await tagger.start();
  const restore = refusedBy('/nowhere/node');
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  await expect.poll(() => logged.join('')).toContain('does not start');
  await expect(tagger.swap(await version('14'))).rejects.toThrow('before it was ready');
  restore();
  expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
});

it('that is the same changes nothing', async () => {
  create();
  await tagger.start();
  const pids = tagger.pids;
  await tagger.swap(model.dir);
  expect(tagger.pids).toEqual(pids);
});
