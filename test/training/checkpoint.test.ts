import { mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CheckpointStore, type Progress, writeFileSafely } from '../../src/training/checkpoint.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'retagger-checkpoint-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const progress: Progress = {
  ...{ key: 'k', stage: 'head', epoch: 2, step: 7, lossSum: 1.25, rightSum: 3, seen: 4 },
  ...{ history: [], best: { epoch: 1, macroF1: 0.5 } },
};
const tensors = (value: number) =>
  new Map([['now/dense/bias', { shape: [2], data: Float32Array.of(value, -value) }]]);

describe('CheckpointStore', () => {
  test('loads what was saved last, and keeps one file of tensors', async () => {
    const store = new CheckpointStore(dir);
    expect(await store.load()).toBeNull();
    await store.save(progress, tensors(0.1));
    await store.save({ ...progress, step: 8 }, tensors(0.2));
    const loaded = await new CheckpointStore(dir).load();
    expect(loaded?.progress).toEqual({ ...progress, step: 8 });
    expect([...(loaded?.tensors.get('now/dense/bias')?.data ?? [])]).toEqual([
      Math.fround(0.2),
      Math.fround(-0.2),
    ]);
    expect((await readdir(dir)).filter((name) => name.endsWith('.safetensors'))).toHaveLength(1);
  });

  test('a full disk names the file and leaves nothing half written', async () => {
    await symlink('/dev/full', join(dir, 'head.json.tmp'));
    await expect(writeFileSafely(join(dir, 'head.json'), 'text')).rejects.toThrow(
      /head\.json: .*ENOSPC/,
    );
    expect(await readdir(dir)).toEqual([]);
    await symlink('/dev/full', join(dir, 'checkpoint.json.tmp'));
    await expect(new CheckpointStore(dir).save(progress, tensors(1))).rejects.toThrow(
      /checkpoint\.json: .*ENOSPC/,
    );
    expect(await readdir(dir)).toEqual([]);
  });

  test('a damaged one is named, with what to do', async () => {
    const store = new CheckpointStore(dir);
    await store.save(progress, tensors(0.1));
    const [file] = (await readdir(dir)).filter((name) => name.endsWith('.safetensors'));
    await truncate(join(dir, file as string), 20);
    await expect(store.load()).rejects.toThrow(/checkpoint\.json: .*safetensors.*--overwrite/);
    await writeFile(join(dir, 'checkpoint.json'), '{"key":');
    await expect(store.load()).rejects.toThrow(
      /checkpoint\.json: .*--overwrite instead of --resume/,
    );
    await store.clear();
    expect(await store.load()).toBeNull();
  });

  test('clear leaves nothing to resume, and other files alone', async () => {
    const store = new CheckpointStore(join(dir, 'new'));
    await store.save(progress, tensors(1));
    await store.clear();
    expect(await store.load()).toBeNull();
    expect(await readdir(join(dir, 'new'))).toEqual([]);
  });
});
