import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mended } from '../../../src/inference/decoders/mended.ts';
import { type TiffTag, tiffOf } from '../tiff.ts';

const tiff = (...tags: TiffTag[]) => tiffOf(Buffer.alloc(12), 2, 2, tags);
const ORIENTATION = 274;
const short = (tag: number, value: number): TiffTag => [tag, 3, 1, value];

it.each([1, 3, 8])('leaves a photo as it is: orientation %i', (value) => {
  const whole = tiff(short(ORIENTATION, value));
  expect(mended(whole, 'tiff')).toBe(whole);
});

it.each([0, 9, 65535])('orientation %i becomes 1, in a copy', (value) => {
  const odd = tiff(short(ORIENTATION, value));
  const before = Buffer.from(odd);
  expect(mended(odd, 'tiff')).toEqual(tiff(short(ORIENTATION, 1)));
  expect(odd).toEqual(before);
});

it('of later pages too, big-endian', () => {
  const page = (value: number, next: number) => {
    const directory = Buffer.alloc(2 + 12 + 4);
    directory.writeUInt16BE(1, 0);
    [ORIENTATION, 3, 0, 1, value].forEach((part, n) => {
      directory.writeUInt16BE(part, 2 + 2 * n);
    });
    directory.writeUInt32BE(next, 14);
    return directory;
  };
  const head = Buffer.from('MM\0*\0\0\0\x08', 'latin1');
  const pages = (first: number, second: number) =>
    Buffer.concat([head, page(first, 26), page(second, 0)]);
  expect(mended(pages(6, 0), 'tiff')).toEqual(pages(6, 1));
});

it('ends where directories go round, and takes any bytes', () => {
  const round = Buffer.from('II*\0\x08\0\0\0\0\0\x08\0\0\0', 'latin1');
  expect(mended(round, 'tiff')).toBe(round);
  const start = fc.constantFrom('II*\0\x08\0\0\0', 'MM\0*\0\0\0\x08', 'II*\0', '');
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (prefix, rest) => {
      const bytes = Buffer.concat([Buffer.from(prefix, 'latin1'), rest]);
      expect(mended(bytes, 'tiff').length).toBe(bytes.length);
      expect(mended(bytes, 'avif').length).toBe(bytes.length);
    }),
  );
});
