import { expect, it } from 'vitest';
import { tiffTags } from '../../../src/inference/decoders/tiff-tags.ts';
import { tiffOf } from '../tiff.ts';

it('tells the numbers of the first directory, of several the first', () => {
  const tags = tiffTags(
    tiffOf(Buffer.alloc(12), 2, 2, [
      [305, 2, 4, 0x41],
      [530, 3, 2, 0x20001],
    ]),
  );
  expect([256, 257, 258, 262, 277, 530, 305, 999].map((tag) => tags?.get(tag))).toEqual([
    ...[2, 2, 8, 2, 3, 0x20001],
    ...[undefined, undefined],
  ]);
});

it('of one that ends too early what is there', () => {
  const tiff = tiffOf(Buffer.alloc(12), 2, 3);
  for (let length = 0; length < tiff.length; length++) tiffTags(tiff.subarray(0, length));
  expect(tiffTags(tiff.subarray(0, 30))?.get(256)).toBe(2);
});

it('of what is no TIFF, or a BigTIFF, nothing', () => {
  expect(tiffTags(Buffer.from('II+\0\x08\0\0\0'))).toBeNull();
  expect(tiffTags(Buffer.from('II*\0'))).toBeNull();
  expect(tiffTags(Buffer.from('II*\0\xff\xff\xff\x7f', 'latin1'))?.size).toBe(0);
});
