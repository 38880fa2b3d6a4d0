import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR } from '../../../src/inference/bundle.ts';
import type { Photo } from '../../../src/training/data/dataset.ts';
import { groupPhotos, isAlone, parseGroups } from '../../../src/training/data/groups.ts';
import { TRAIN_DEFAULTS } from '../../../src/training/options.ts';
import { prepare } from '../../../src/training/prepare.ts';
import { temporaryDir } from '../../temporary-dir.ts';

describe('parseGroups', () => {
  test('reads file and source in any column order, with quotes and another base folder', () => {
    const csv = 'source,label,file\r\n"a, ""b""",x,train/x/1.jpg\nc,y,y/2.jpg\n\n';
    expect([...parseGroups(csv, [])]).toEqual([
      ['x/1.jpg', 'a, "b"'],
      ['y/2.jpg', 'c'],
    ]);
  });

  test('names the missing columns, semicolons and a table without rows', () => {
    expect(() => parseGroups('name,where\na,b', [])).toThrow(/"file" and "source"$/);
    expect(() => parseGroups('file;source\na;b', [])).toThrow(/separated by ";"/);
    expect(() => parseGroups('file,source\n', [])).toThrow(/no rows/);
  });
});

const hall = (name: string): Photo => ({ file: `hall/${name}.jpg`, label: 0 });
const numbered = (n: number, name: string) => Array.from({ length: n }, (_, i) => hall(name + i));

describe('groupPhotos', () => {
  const photos = [hall('houses_7_a'), ...numbered(999, 'p')];
  const sources = new Map(photos.map(({ file }) => [file, 'Places']));
  sources.set('hall/p1.jpg', 'villa');
  sources.set('hall/p2.jpg', 'villa');

  test('the pattern comes before the source', () => {
    const { of, said } = groupPhotos(photos, { sources, pattern: /^houses_(\d+)_/ });
    expect(of(photos[0] as Photo)).toBe('home:7');
    expect(of(hall('p1'))).toBe('source:villa');
    expect(said).toBe('2 homes; 0 photos without one; collections: Places (997 photos)');
  });

  test('photos of a large source are each alone', () => {
    const { of } = groupPhotos(photos, { sources });
    expect(isAlone(of(photos[9] as Photo))).toBe(true);
    expect(of(photos[9] as Photo)).not.toBe(of(photos[10] as Photo));
    expect(isAlone(of(hall('p2')))).toBe(false);
  });

  test('a few homes are no collections, however large their share is', () => {
    const few = Array.from({ length: 10 }, (_, home) => numbered(9, `h${home}_`)).flat();
    const homes = new Map(few.map(({ file }) => [file, file.slice(5, 7)]));
    const { of, said } = groupPhotos([...few, hall('x')], { sources: homes });
    expect(new Set(few.map(of)).size).toBe(10);
    expect(said).toBe('10 homes; 1 photos without one; collections: none');
  });

  test('photos of one folder are of one home, unless a table says another', () => {
    const [a, b, c] = ['hall/flat 7/a.jpg', 'kitchen/flat 7/a.jpg', 'hall/flat 8/a.jpg'].map(
      (file): Photo => ({ file, label: 0 }),
    ) as [Photo, Photo, Photo];
    const sources = parseGroups('file,source\nold/hall/flat 8/a.jpg,villa\n', [a, b, c]);
    const { of, said } = groupPhotos([a, b, c, hall('x')], { sources });
    expect(of(a)).toBe(of(b));
    expect(of(c)).toBe('source:villa');
    expect(said).toBe('2 homes; 1 photos without one; collections: none');
  });

  test('without any knowledge each photo is alone', () => {
    const { of, said } = groupPhotos(photos, {});
    expect(isAlone(of(photos[3] as Photo))).toBe(true);
    expect(said).toBe('0 homes; 1000 photos without one; collections: none');
  });

  test('a pattern that fits no photo is named', () => {
    expect(() => groupPhotos(photos, { pattern: /^home_/ })).toThrow('fits no photo');
  });
});

describe('the tables of a run', () => {
  /** What is said of four photos with this table. */
  async function said(flag: 'groups' | 'corrections' | 'weights', csv: string): Promise<string> {
    const dir = await temporaryDir();
    for (const file of ['hall/1', 'hall/2', 'kitchen/1', 'kitchen/2']) {
      await mkdir(join(dir, 'photos', file, '..'), { recursive: true });
      await writeFile(join(dir, 'photos', `${file}.jpg`), file);
    }
    const table = join(dir, 'table.csv');
    await writeFile(table, csv);
    const base = join(BUNDLED_MODEL_DIR, 'weights.f16.safetensors');
    const options = { ...TRAIN_DEFAULTS, data: join(dir, 'photos'), out: join(dir, 'out'), base };
    const notes: string[] = [];
    await prepare({ ...options, validation: 0.5, [flag]: table }, (text) => notes.push(text));
    return notes.join('\n');
  }

  test('rows for other photos are counted; a table without one of ours is refused', async () => {
    const notes = await said('groups', 'file,source\nhall/1.jpg,a\ntest/hall/9.jpg,b\n');
    expect(notes).toMatch(
      /warning: --groups .*table\.csv: 1 of 2 rows name no photo.*hall\/9\.jpg/,
    );
    expect(notes).toContain('1 homes; 3 photos without one; collections: none');
    await expect(said('groups', 'file,source\nhall/9.jpg,b\n')).rejects.toThrow(
      /--groups .*table\.csv:\s+1 of 1 rows/,
    );
  });

  test.each(['groups', 'corrections', 'weights'] as const)('--%s is named with its file', (flag) =>
    expect(said(flag, 'file;x\n')).rejects.toThrow(
      new RegExp(`--${flag} .*table\\.csv:\\s+the file needs columns .*separated by ";"`),
    ),
  );
});
