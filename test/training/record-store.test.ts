import { readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { writeFileSafely } from '../../src/training/files.ts';
import { RecordStore } from '../../src/training/record-store.ts';
import { temporaryDir } from '../temporary-dir.ts';

let dir = '';
beforeEach(async () => {
  dir = await temporaryDir();
});

const record = { key: 'k', step: 7, best: { epoch: 1, macroF1: 0.5 } };
const tensors = (value: number) =>
  new Map([['now/dense/bias', { shape: [2], data: Float32Array.of(value, -value) }]]);
const open = (name = 'head') => new RecordStore<typeof record>(dir, name);

test('loads what was saved last, and keeps one file of tensors', async () => {
  const store = open();
  expect(await store.load()).toBeNull();
  await store.save(record, tensors(0.1));
  await store.save({ ...record, step: 8 }, tensors(0.2));
  expect(await open().load()).toEqual({ record: { ...record, step: 8 }, tensors: tensors(0.2) });
  expect((await readdir(dir)).filter((name) => name.endsWith('.safetensors'))).toHaveLength(1);
});

test('what is not wanted is as good as none, whatever became of its tensors', async () => {
  await open().save(record, tensors(1));
  expect(await open().load(({ key }) => key === 'k')).not.toBeNull();
  for (const name of await readdir(dir)) if (name.includes('-')) await rm(join(dir, name));
  expect(await open().load(({ key }) => key === 'other')).toBeNull();
});

test('a full disk names the file and leaves nothing half written', async () => {
  await symlink('/dev/full', join(dir, 'head.json.tmp'));
  await expect(writeFileSafely(join(dir, 'head.json'), 'text')).rejects.toThrow(
    /head\.json: .*ENOSPC/,
  );
  expect(await readdir(dir)).toEqual([]);
  await symlink('/dev/full', join(dir, 'head.json.tmp'));
  await expect(open().save(record, tensors(1))).rejects.toThrow(/head\.json: .*ENOSPC/);
  expect(await readdir(dir)).toEqual([]);
});

test('a damaged one is named, with what to do', async () => {
  const store = open();
  await store.save(record, tensors(0.1));
  const [file] = (await readdir(dir)).filter((name) => name.endsWith('.safetensors'));
  await truncate(join(dir, file as string), 20);
  await expect(store.load()).rejects.toThrow(/head\.json: .*safetensors.*--overwrite/);
  await writeFile(join(dir, 'head.json'), '{"key":');
  await expect(store.load()).rejects.toThrow(/head\.json: .*--overwrite instead of --resume/);
  await store.clear();
  expect(await store.load()).toBeNull();
});

test('clear leaves nothing to resume, and other files alone', async () => {
  dir = join(dir, 'new');
  await open().save(record, tensors(1));
  await open('full').save(record, tensors(2));
  await open().clear();
  expect(await open().load()).toBeNull();
  expect(await open('full').load()).toEqual({ record, tensors: tensors(2) });
});
