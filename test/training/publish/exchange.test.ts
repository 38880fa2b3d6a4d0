import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { EXPORT_DIR, loadBundle } from '../../../src/inference/bundle.ts';
import { exchange } from '../../../src/training/publish/exchange.ts';
import { temporaryDir } from '../../temporary-dir.ts';

let [dir, staging] = ['', ''];
beforeEach(async () => {
  dir = await temporaryDir();
  staging = join(dir, EXPORT_DIR);
  await mkdir(staging, { recursive: true });
  for (const name of ['model.json', 'weights', 'int8', 'learning-curve.png', 'confusion.png']) {
    await writeFile(join(dir, name), 'old');
    if (name.endsWith('.png')) continue;
    await writeFile(join(staging, name), 'new');
  }
});

test('a new model takes the place of the old one, whole', async () => {
  await exchange(staging, dir);
  expect((await readdir(dir)).sort()).toEqual(['.training', 'int8', 'model.json', 'weights']);
  for (const name of ['model.json', 'weights', 'int8']) {
    expect(await readFile(join(dir, name), 'utf8')).toBe('new');
  }
  expect(await readdir(join(dir, '.training'))).toEqual([]);
});

test('cut short in between it is no model, and says how it becomes one', async () => {
  await rm(join(dir, 'weights'));
  await mkdir(join(dir, 'weights/in-the-way'), { recursive: true });
  await expect(exchange(staging, dir)).rejects.toThrow();
  await expect(loadBundle(dir)).rejects.toThrow(/is incomplete: .*--resume/);
});
