import fc from 'fast-check';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { exifOrientation } from '../../../src/inference/decoders/exif-orientation.ts';
import { type ExifEntry, exifBlock, jpegOf, orientationEntry, withExif } from '../jpegs.ts';

const jpeg = await jpegOf(8, 8);
/** What sharp makes of the same block: 1 is the same as nothing. */
const bySharp = async (block: Buffer) =>
  (await sharp(withExif(jpeg, block)).metadata()).orientation ?? 1;

it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i, in both byte orders', async (orientation) => {
  for (const order of ['II', 'MM'] as const) {
    const other = { tag: 0x10f, format: 2, count: 4, value: 0x4142 };
    const block = exifBlock([other, orientationEntry(orientation)], order);
    expect(exifOrientation(block)).toBe(orientation);
    expect(await bySharp(block)).toBe(orientation);
  }
});

it('is 1 where there is none', () => {
  expect(exifOrientation(exifBlock([]))).toBe(1);
  expect(exifOrientation(exifBlock([{ tag: 0x128, format: 3, count: 1, value: 6 }]))).toBe(1);
});

it.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['no TIFF header', Buffer.alloc(40)],
  ['a byte order of its own', Buffer.from('IM\0*\0\0\0\x08\0\0', 'latin1')],
  ['another number than 42', Buffer.from('MM\0+\0\0\0\x08\0\0', 'latin1')],
  ['a directory past the end', Buffer.from('MM\0*\0\0\xff\x08\0\0', 'latin1')],
  ['a directory in the header', Buffer.from('MM\0*\0\0\0\x04\0\0', 'latin1')],
  ['a directory that is cut off', exifBlock([orientationEntry(6)]).subarray(0, 20)],
  ['two orientations', exifBlock([orientationEntry(6), orientationEntry(3)])],
  ['0', exifBlock([orientationEntry(0)])],
  ['9', exifBlock([orientationEntry(9)])],
  ['a byte', exifBlock([{ ...orientationEntry(6), format: 1 }])],
  ['two numbers', exifBlock([{ ...orientationEntry(6), count: 2 }])],
])('is in doubt: %s', (_name, block) => {
  expect(exifOrientation(block)).toBeNull();
});

it('never says another thing than sharp', async () => {
  const entry: fc.Arbitrary<ExifEntry> = fc.record({
    tag: fc.constantFrom(0x112, 0x112, 0x10f, 0x8769, 0x8825, 0x201, 0, 0xfffe),
    format: fc.constantFrom(3, 3, 3, 1, 2, 4, 9, 0, 13),
    count: fc.constantFrom(1, 1, 1, 0, 2, 5, 0xffffffff),
    value: fc.nat(10),
  });
  const edit = fc.record({ at: fc.nat(60), value: fc.nat(255) });
  let told = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 4 }),
      fc.constantFrom('II' as const, 'MM' as const),
      fc.array(edit, { maxLength: 2 }),
      async (entries, order, edits) => {
        const block = exifBlock(entries, order);
        for (const { at, value } of edits) if (at < block.length) block[at] = value;
        const orientation = exifOrientation(block);
        if (orientation === null) return;
        told += 1;
        expect(await bySharp(block)).toBe(orientation);
      },
    ),
    { numRuns: 600 },
  );
  expect(told).toBeGreaterThan(100);
});
