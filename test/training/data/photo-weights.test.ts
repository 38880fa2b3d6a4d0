import { expect, test } from 'vitest';
import { parseWeights } from '../../../src/training/data/photo-weights.ts';

const photos = [
  { file: 'hall/a.jpg', label: 0 },
  { file: 'kitchen/c.jpg', label: 1 },
];
const weights = (rows: string) => parseWeights(`file,weight\n${rows}`, 'data', photos);

test('photos by their path below the data folder', () => {
  expect([...weights('photos/hall/a.jpg,3\nkitchen/c.jpg,0.5')]).toEqual([
    ['hall/a.jpg', 3],
    ['kitchen/c.jpg', 0.5],
  ]);
});

test('names unknown photos and weights that are none', () => {
  expect(() => weights('hall/z.jpg,2')).toThrow('hall/z.jpg: no such photo');
  expect(() => weights('hall/a.jpg,0')).toThrow('hall/a.jpg: not from 0.01 to 100');
  expect(() => weights('hall/a.jpg,many')).toThrow('hall/a.jpg: not from 0.01 to 100');
});

test('two weights for one photo are refused', () => {
  expect(() => weights('hall/a.jpg,2\nphotos/hall/a.jpg,3')).toThrow(
    'hall/a.jpg is listed with "2" and with "3"',
  );
});
