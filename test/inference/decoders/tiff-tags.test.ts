import { expect, it } from 'vitest';
import { tiffTags } from '../../../src/inference/decoders/tiff-tags.ts';
import { tiffOf } from '../tiff.ts';

it('tells the numbers of the first directory, of several the first', () => {
  const tags = tiffTags(tiffOf(Buffer.alloc(12), 2, 2, [[530, 3, 2, 0x20001]]));
  expect([256, 257, 258, 262, 277, 530, 999].map((tag) => tags?.get(tag))).toEqual([
    ...[2, 2, 8, 2, 3, 0x20001],
    undefined,
  ]);
});

it('of what is no TIFF, or a BigTIFF, nothing', () => {
  expect(tiffTags(Buffer.from('II+\0\x08\0\0\0'))).toBeNull();
  expect(tiffTags(Buffer.from('II*\0'))).toBeNull();
  expect(tiffTags(Buffer.from('II*\0\xff\xff\xff\x7f', 'latin1'))?.size).toBe(0);
});
