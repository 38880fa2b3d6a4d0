import { describe, expect, test } from 'vitest';
import type { Photo } from '../../src/training/dataset.ts';
import { groupPhotos, isAlone, parseGroups, splitByGroup } from '../../src/training/split.ts';

const LABELS = ['hall', 'kitchen'];
/** 40 houses with one photo of each class. */
const houses: Photo[] = Array.from({ length: 40 }, (_, n) =>
  LABELS.map((label, k) => ({ file: `${label}/houses_${n}_${label}.jpg`, label: k })),
).flat();
const byHouse = groupPhotos(houses, { pattern: /^houses_(\d+)_/ });

describe('parseGroups', () => {
  test('reads file and source in any column order, with quotes and another base folder', () => {
    const csv = 'source,label,file\r\n"a, ""b""",x,train/x/1.jpg\nc,y,y/2.jpg\n\n';
    expect([...parseGroups(csv)]).toEqual([
      ['x/1.jpg', 'a, "b"'],
      ['y/2.jpg', 'c'],
    ]);
  });

  test('names the missing columns', () => {
    expect(() => parseGroups('name,where\na,b')).toThrow(/"file" and "source"/);
  });
});

describe('groupPhotos', () => {
  const photos: Photo[] = [
    { file: 'hall/houses_7_a.jpg', label: 0 },
    ...Array.from({ length: 99 }, (_, i) => ({ file: `hall/p${i}.jpg`, label: 0 })),
  ];
  const sources = new Map(photos.map(({ file }) => [file, 'Places']));
  sources.set('hall/p1.jpg', 'villa');
  sources.set('hall/p2.jpg', 'villa');

  test('the pattern comes before the source', () => {
    const groupOf = groupPhotos(photos, { sources, pattern: /^houses_(\d+)_/ });
    expect(groupOf(photos[0] as Photo)).toBe('home:7');
    expect(groupOf({ file: 'hall/p1.jpg', label: 0 })).toBe('source:villa');
  });

  test('photos of a large source are each alone', () => {
    const groupOf = groupPhotos(photos, { sources });
    expect(isAlone(groupOf(photos[9] as Photo))).toBe(true);
    expect(groupOf(photos[9] as Photo)).not.toBe(groupOf(photos[10] as Photo));
    expect(isAlone(groupOf({ file: 'hall/p2.jpg', label: 0 }))).toBe(false);
  });

  test('without any knowledge each photo is alone', () => {
    expect(isAlone(groupPhotos(photos, {})(photos[3] as Photo))).toBe(true);
  });
});

describe('splitByGroup', () => {
  test('no home is on both sides, and each class has its share', () => {
    const { train, validation } = splitByGroup(houses, LABELS, byHouse, 0.1, 1);
    const seen = new Set(train.map(byHouse));
    expect(validation.filter((photo) => seen.has(byHouse(photo)))).toEqual([]);
    expect(train.length + validation.length).toBe(houses.length);
    for (const label of [0, 1]) {
      expect(validation.filter((photo) => photo.label === label)).toHaveLength(4);
    }
  });

  test('depends on the seed only', () => {
    const files = (seed: number) =>
      splitByGroup(houses, LABELS, byHouse, 0.1, seed).validation.map(({ file }) => file);
    expect(files(5)).toEqual(files(5));
    expect(files(5)).not.toEqual(files(6));
  });

  test('names a class whose photos are all of one home', () => {
    const photos = [...houses, { file: 'attic/one.jpg', label: 2 }];
    expect(() => splitByGroup(photos, [...LABELS, 'attic'], byHouse, 0.1, 1)).toThrow(/"attic"/);
  });
});
