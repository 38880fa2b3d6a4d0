import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Photo } from '../../src/training/data/dataset.ts';
import { splitByGroup } from '../../src/training/data/split.ts';
import { planExamples } from '../../src/training/examples/examples.ts';
import { createSampler } from '../../src/training/examples/sampler.ts';
import { TRAIN_DEFAULTS } from '../../src/training/options.ts';
import { prepare } from '../../src/training/prepare.ts';
import { temporaryDir } from '../temporary-dir.ts';
import { drawPhotos } from './fixture-photos.ts';

/** Of each of two classes 100 photos; every fifth is from a site. */
const photos: Photo[] = [0, 1].flatMap((label) =>
  Array.from({ length: 100 }, (_, i) => ({
    file: `${label}/${i % 5 === 0 ? 'site' : 'places'}_${i}.jpg`,
    label,
  })),
);
const ofSite = ({ file }: Photo) => file.includes('site');
const weight = (photo: Photo) => (ofSite(photo) ? 3 : 1);

test('only photos in focus validate, a share of them', () => {
  const { train, validation } = splitByGroup(
    photos,
    ['a', 'b'],
    ({ file }) => file,
    0.2,
    1,
    ofSite,
  );
  expect(validation).toHaveLength(2 * 0.2 * 20);
  expect(validation.every(ofSite)).toBe(true);
  expect(train).toHaveLength(200 - validation.length);
});

test('a home with one photo out of focus stays in training', () => {
  const numberOf = ({ file }: Photo) => Number(/_(\d+)/.exec(file)?.[1]);
  const home = (photo: Photo) => (numberOf(photo) < 50 ? 'mixed' : photo.file);
  const { validation } = splitByGroup(photos, ['a', 'b'], home, 0.2, 1, ofSite);
  expect(validation.every((photo) => numberOf(photo) >= 50)).toBe(true);
});

test('photos in focus get more variants and are drawn in proportion to their weight', () => {
  const examples = planExamples(photos, 140, weight);
  const variants = (photo: Photo) => examples.filter((e) => e.photo === photo).length;
  expect([variants(photos[0] as Photo), variants(photos[1] as Photo)]).toEqual([3, 1]);
  const sampler = createSampler(examples, 2, ({ file }) => `photo:${file}`, {
    ...{ balance: 'equal', spread: 0, seed: 1, weight },
  });
  const drawn = Array.from({ length: 20 }, (_, i) => sampler(i + 1)).flat();
  const inFocus = drawn.filter(({ photo }) => ofSite(photo)).length / drawn.length;
  expect(inFocus).toBeCloseTo((20 * 3) / (20 * 3 + 80), 1);
});

test('a focus that fits no photo is named', async () => {
  const data = await temporaryDir();
  await drawPhotos(data, 2);
  const options = { ...TRAIN_DEFAULTS, data, out: join(data, 'out'), base: '' };
  const preparing = prepare({ ...options, focus: '^site_' });
  await expect(preparing).rejects.toThrow(/^--focus:\s+\/\^site_\/ fits no photo's name$/);
});
