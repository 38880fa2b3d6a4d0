import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { beginRun, saveRun } from '../../src/training/begin.ts';
import { readDataset } from '../../src/training/data/dataset.ts';
import { SILENT } from '../../src/training/reporter.ts';
import { temporaryDir } from '../temporary-dir.ts';
import { drawPhotos } from './fixture-photos.ts';

let [dir, out, training] = ['', '', ''];
beforeEach(async () => {
  dir = await temporaryDir();
  out = join(dir, 'out');
  training = join(out, '.training');
  await mkdir(training, { recursive: true });
  await drawPhotos(join(dir, 'photos'), 1);
});

/** @returns how many photos were checked. */
async function begin(
  key: string,
  flags: { resume: boolean; overwrite?: boolean },
  signal?: AbortSignal,
): Promise<number> {
  let checked = 0;
  const dataset = await readDataset(join(dir, 'photos'));
  const reporter = { ...SILENT, update: () => void checked++ };
  await beginRun(key, dataset, { out, ...flags }, reporter, signal);
  return checked;
}
const model = () => writeFile(join(out, 'model.json'), '{}');
const finish = (key: string) => saveRun(training, { key, photos: '', finished: true });

test('a resumed run checks photos whose check was not finished, or that are others now', async () => {
  expect(await begin('a', { resume: true })).toBe(3);
  expect(await begin('a', { resume: true })).toBe(0);
  await utimes(join(dir, 'photos/disc/00.jpg'), 1, 1);
  expect(await begin('a', { resume: true })).toBe(3);
  expect(await begin('a', { resume: false })).toBe(3);
  await writeFile(join(dir, 'photos/disc/01.jpg'), 'no photo');
  await expect(begin('a', { resume: true })).rejects.toThrow('disc/01.jpg');
  await expect(begin('a', { resume: true })).rejects.toThrow('disc/01.jpg');
});

test('a stop while photos are checked is obeyed, and no check is recorded', async () => {
  const stopped = begin('a', { resume: false }, AbortSignal.abort());
  await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
  expect(existsSync(join(training, 'run.json'))).toBe(false);
  expect(await begin('a', { resume: true })).toBe(3);
});

test('a finished model is not lost to --resume with other settings, or without a run', async () => {
  await model();
  await expect(begin('a', { resume: true })).rejects.toThrow(/finished model.*--overwrite/);
  await finish('a');
  await expect(begin('b', { resume: true })).rejects.toThrow(/finished model.*--overwrite/);
  expect(await begin('a', { resume: true })).toBe(3);
});

test('a run that began over a model may go on, and --overwrite says so anyway', async () => {
  await model();
  await begin('b', { resume: false });
  expect(await begin('b', { resume: true })).toBe(0);
  await finish('a');
  await begin('b', { resume: true, overwrite: true });
});

test('a stage that was finished with other settings is not trained again unasked', async () => {
  await saveRun(training, { key: 'a', photos: '', finished: false });
  await writeFile(join(training, 'head.json'), '{}');
  const other = begin('b', { resume: true });
  await expect(other).rejects.toThrow(/other settings or photos.*--overwrite/);
  expect(await begin('a', { resume: true })).toBe(3);
  expect(await begin('b', { resume: true, overwrite: true })).toBe(0);
});
