import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readDataset } from '../../../src/training/data/dataset.ts';
import { findDuplicates, keepTogether } from '../../../src/training/data/duplicates.ts';
import { groupPhotos } from '../../../src/training/data/groups.ts';
import { temporaryDir } from '../../temporary-dir.ts';

/** What becomes of these photos (file → bytes) and homes. */
async function together(files: Record<string, string>, sources: Record<string, string> = {}) {
  const dir = await temporaryDir();
  for (const [file, bytes] of Object.entries(files)) {
    await mkdir(join(dir, file, '..'), { recursive: true });
    await writeFile(join(dir, file), bytes);
  }
  const dataset = await readDataset(dir);
  const notes: string[] = [];
  const { of } = groupPhotos(dataset.photos, { sources: new Map(Object.entries(sources)) });
  const groupOf = keepTogether(await findDuplicates(dataset), of, (text) => notes.push(text));
  return { groups: dataset.photos.map(groupOf), notes: notes.join('\n') };
}

test('copies of a class are one group, also with a home', async () => {
  const files = {
    'hall/a.jpg': 'one',
    'hall/b.jpg': 'one',
    'hall/c.jpg': 'two',
    'attic/d.jpg': 'x',
  };
  const alone = await together(files);
  expect(alone.groups).toEqual([
    ...['photo:attic/d.jpg', 'photo:hall/a.jpg', 'photo:hall/a.jpg', 'photo:hall/c.jpg'],
  ]);
  expect(alone.notes).toBe('');
  const atHome = await together(files, { 'hall/b.jpg': 'villa' });
  expect(atHome.groups.slice(1, 3)).toEqual(['source:villa', 'source:villa']);
});

test('a photo in two classes, or in two homes, is named', async () => {
  const files = {
    'hall/a.jpg': 'one',
    'attic/b.jpg': 'one',
    'hall/c.jpg': 'two',
    'hall/d.jpg': 'two',
  };
  const { notes } = await together(files, { 'hall/c.jpg': 'villa', 'hall/d.jpg': 'hut' });
  expect(notes).toContain('the same photo in two classes: 1 (attic/b.jpg = hall/a.jpg)');
  expect(notes).toContain('the same photo in two homes: 1 (hall/c.jpg = hall/d.jpg)');
});

test('copies of a class are one group also where there is one in another class', async () => {
  const files = { 'attic/a.jpg': 'one', 'hall/b.jpg': 'one', 'hall/c.jpg': 'one' };
  const { groups, notes } = await together(files);
  expect(groups).toEqual(['photo:attic/a.jpg', 'photo:hall/b.jpg', 'photo:hall/b.jpg']);
  expect(notes).toMatch(/two classes: 1 .*hall\/c\.jpg\)$/);
});

test('of many the first few are named, with their number', async () => {
  const files: Record<string, string> = {};
  for (const n of [1, 2, 3, 4, 5]) {
    files[`hall/${n}.jpg`] = String(n);
    files[`attic/${n}.jpg`] = String(n);
  }
  expect((await together(files)).notes).toMatch(/two classes: 5 \(attic\/1.* … and 2 more\)/);
});
