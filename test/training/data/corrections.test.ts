import { expect, test } from 'vitest';
import { applyCorrections, parseCorrections } from '../../../src/training/data/corrections.ts';

const dataset = {
  dir: 'data',
  labels: ['hall', 'kitchen'],
  photos: [
    { file: 'hall/a.jpg', label: 0 },
    { file: 'hall/b.jpg', label: 0 },
    { file: 'kitchen/c.jpg', label: 1 },
  ],
};
const parse = (csv: string) => parseCorrections(csv, dataset.photos);
const corrected = (rows: string) => applyCorrections(dataset, parse(`file,label\n${rows}`)).photos;

test('puts labels right and leaves photos out; files stay where they are', () => {
  expect(corrected('hall/a.jpg,kitchen\nphotos/hall/b.jpg,\nkitchen/c.jpg,hall')).toEqual([
    { file: 'hall/a.jpg', label: 1 },
    { file: 'kitchen/c.jpg', label: 0 },
  ]);
});

test('takes a table that Excel has saved', () => {
  const { photos } = applyCorrections(dataset, parse('\uFEFFfile,label\r\nhall/a.jpg,\r\n'));
  expect(photos).toHaveLength(2);
});

test('takes a table whose first column is empty', () => {
  const [, , third] = dataset.photos;
  const leftOut = parse('label,file\n,hall/a.jpg\n');
  expect(applyCorrections(dataset, leftOut).photos).toEqual([dataset.photos[1], third]);
  // As pandas writes it, with the rows' numbers.
  const numbered = parse(',file,label\n0,hall/a.jpg,kitchen\n');
  expect([...numbered]).toEqual([['hall/a.jpg', 'kitchen']]);
});

test('names unknown photos, unknown labels and a class left empty', () => {
  expect(() => corrected('hall/z.jpg,hall')).toThrow('hall/z.jpg: no such photo');
  expect(() => corrected('hall/a.jpg,attic')).toThrow('hall/a.jpg: no label "attic"');
  expect(() => corrected('kitchen/c.jpg,hall')).toThrow('class "kitchen" is left empty');
  expect(() => parse('name,tag\na,b')).toThrow('"file" and "label"');
});

test('two rows that say different things of one photo are refused', () => {
  expect(() => corrected('hall/a.jpg,kitchen\nphotos/hall/a.jpg,')).toThrow(
    'hall/a.jpg is listed with "kitchen" and with ""',
  );
  expect(corrected('hall/a.jpg,kitchen\nhall/a.jpg,kitchen')).toHaveLength(3);
});

test('photos in folders below their label are told apart', () => {
  const photos = ['hall/7/a.jpg', 'hall/8/a.jpg', 'kitchen/7/a.jpg'];
  const nested = { ...dataset, photos: photos.map((file, i) => ({ file, label: i >> 1 })) };
  const table = 'file,label\ndata/hall/8/a.jpg,kitchen\n';
  const after = applyCorrections(nested, parseCorrections(table, nested.photos)).photos;
  expect(after.map(({ label }) => label)).toEqual([0, 1, 1]);
});
