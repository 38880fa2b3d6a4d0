import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { recordKey, StageRecords } from '../../../src/training/stages/stage-record.ts';

const weights = (...values: number[]) =>
  new Map([['a/kernel', { shape: [values.length], data: Float32Array.from(values) }]]);

test('a finished stage is found again by what it was made from, and by nothing else', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'retagger-records-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const records = new StageRecords(dir);
  const key = recordKey(['settings', 4], weights(1, 2));
  const record = { key, settings: '4,5', macroF1: 0.9, history: [] };
  await records.save('head', weights(3, 4), record);
  const found = await records.load('head', key);
  expect(found?.record).toEqual(record);
  expect([...(found?.weights.get('a/kernel')?.data ?? [])]).toEqual([3, 4]);
  for (const other of [
    recordKey(['settings', 5], weights(1, 2)),
    recordKey(['settings', 4], weights(1, 3)),
  ]) {
    expect(await records.load('head', other)).toBeNull();
  }
  expect(await records.load('full', key)).toBeNull();
  await records.clear();
  expect(await records.load('head', key)).toBeNull();
});

test('a damaged record is named, with what to do', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'retagger-records-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, 'head.json'), '');
  await expect(new StageRecords(dir).load('head', 'k')).rejects.toThrow(
    /head\.json: .*--overwrite instead of --resume/,
  );
});
