import { describe, expect, test } from 'vitest';
import type { Photo } from '../../../src/training/data/dataset.ts';
import { groupPhotos } from '../../../src/training/data/groups.ts';
import { splitByGroup } from '../../../src/training/data/split.ts';

const LABELS = ['hall', 'kitchen'];
/** 40 houses with one photo of each class. */
const houses: Photo[] = Array.from({ length: 40 }, (_, n) =>
  LABELS.map((label, k) => ({ file: `${label}/houses_${n}_${label}.jpg`, label: k })),
).flat();
const byHouse = groupPhotos(houses, { pattern: /^houses_(\d+)_/ }).of;

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

  test('where homes are too large for the share, a larger one is the advice', () => {
    const byTen = (photo: Photo) =>
      String(Math.floor(Number(/_(\d+)_/.exec(photo.file)?.[1]) / 10));
    const split = (share: number) => splitByGroup(houses, LABELS, byTen, share, 1);
    expect(() => split(0.1)).toThrow(/in validation; a larger --validation may help$/);
    expect(split(0.25).validation).toHaveLength(20);
    const alone = [...houses, { file: 'attic/one.jpg', label: 2 }];
    expect(() => splitByGroup(alone, [...LABELS, 'attic'], byHouse, 0.1, 1)).toThrow(
      /in training$/,
    );
  });
});
