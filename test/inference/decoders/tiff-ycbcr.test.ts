import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isPlainYCbCr } from '../../../src/inference/decoders/tiff-ycbcr.ts';
import { type TiffTag, tiffOf } from '../tiff.ts';

const tiff = (...tags: TiffTag[]) => tiffOf(Buffer.alloc(12), 2, 2, tags);
const YCBCR: TiffTag = [262, 3, 1, 6];
const packed = (value: number): TiffTag => [259, 3, 1, value];
const shared = (across: number, down: number): TiffTag => [530, 3, 2, down * 0x1_0000 + across];

it.each<[boolean, string, TiffTag[]]>([
  [true, 'uncompressed', [YCBCR, shared(1, 1)]],
  [true, 'deflated', [YCBCR, packed(8), shared(1, 1)]],
  [false, 'JPEG', [YCBCR, packed(7), shared(1, 1)]],
  [false, 'of shared colours', [YCBCR, shared(2, 1)]],
  [false, 'of shared colours, where nothing is said', [YCBCR]],
  [false, 'RGB', [shared(1, 1)]],
])('%s: %s', (plain, _name, tags) => {
  expect(isPlainYCbCr(tiff(...tags))).toBe(plain);
});

it('big-endian', () => {
  const bytes = Buffer.from('MM\0*\0\0\0\x08\0\x02', 'latin1');
  const entry = (...shorts: number[]) => {
    const out = Buffer.alloc(12);
    shorts.forEach((value, n) => {
      out.writeUInt16BE(value, 2 * n);
    });
    return out;
  };
  const photo = [bytes, entry(262, 3, 0, 1, 6, 0), entry(530, 3, 0, 2, 1, 1), Buffer.alloc(4)];
  expect(isPlainYCbCr(Buffer.concat(photo))).toBe(true);
});

it('takes any bytes', () => {
  const start = fc.constantFrom('II*\0\x08\0\0\0', 'MM\0*\0\0\0\x08', 'II*\0', 'MM\0*', '');
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (prefix, rest) => {
      const bytes = Buffer.concat([Buffer.from(prefix, 'latin1'), rest]);
      expect(isPlainYCbCr(bytes)).toBeTypeOf('boolean');
    }),
  );
});
