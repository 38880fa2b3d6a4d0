import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ImageFormat, sniffFormat } from '../../../src/inference/decoders/sniff.ts';

const fixture = (path: string) => readFile(new URL(`../../fixtures/${path}`, import.meta.url));

it.each<[string, ImageFormat | null]>([
  ['formats/grey.jpg', 'jpeg'],
  ['formats/alpha.png', 'png'],
  ['formats/plain.webp', 'webp'],
  ['formats/plain.gif', 'gif'],
  ['formats/plain.tiff', 'tiff'],
  ['formats/plain.avif', 'avif'],
  ['formats/phone.heic', 'heic'],
  ['refused/text.jpg', null],
  ['refused/drawing.svg', null],
  ['refused/empty.jpg', null],
])('%s is %s, also when cut off anywhere', async (path, format) => {
  const bytes = await fixture(path);
  expect(sniffFormat(bytes)).toBe(format);
  // From the end of the signature on: what is cut off is damaged, not unsupported.
  for (let length = 12; length < Math.min(bytes.length, 64); length++) {
    const found = sniffFormat(bytes.subarray(0, length));
    if (format === 'avif' || format === 'heic') expect(['avif', 'heic']).toContain(found);
    else expect(found).toBe(format);
  }
});

const box = (major: string, ...compatible: string[]) =>
  boxWithVersion('\0\0\0\0', major, compatible);
const boxWithVersion = (version: string, major: string, compatible: string[]) => {
  const brands = [major, version, ...compatible].join('');
  const size = Buffer.alloc(4);
  size.writeUInt32BE(8 + brands.length);
  return Buffer.concat([size, Buffer.from(`ftyp${brands}`, 'latin1')]);
};

it.each<[string, Buffer, ImageFormat | null]>([
  ['an iPhone photo', box('heic', 'mif1', 'heic'), 'heic'],
  ['HEIF that names its codec only as compatible', box('mif1', 'miaf', 'heic'), 'heic'],
  ['AVIF under the common name', box('mif1', 'miaf', 'avif'), 'avif'],
  ['BigTIFF', Buffer.from('II+\0\x08\0\0\0', 'latin1'), 'tiff'],
  ['BigTIFF, big-endian', Buffer.from('MM\0+\0\x08\0\0', 'latin1'), 'tiff'],
  ['a video', box('isom', 'mp42', 'avc1'), null],
  ['a codec’s name where the minor version stands', boxWithVersion('heic', 'isom', ['mp42']), null],
  ['HEIF of another codec', box('mif1', 'miaf', 'vvic'), null],
])('%s', (_what, bytes, format) => {
  expect(sniffFormat(bytes)).toBe(format);
});

it('looks at a bounded part of a list of brands that has no end', () => {
  const brands = Array.from({ length: 1000 }, () => 'isom');
  expect(sniffFormat(box(...(['isom', ...brands, 'avif'] as [string, ...string[]])))).toBe(null);
});

it('takes any bytes without a fault', () => {
  const start = fc.constantFrom('', '\0\0\0\x18ftyp', '\xff\xff\xff\xffftyp', 'RIFF', 'II*\0');
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 64 }), (prefix, rest) => {
      sniffFormat(Buffer.concat([Buffer.from(prefix, 'latin1'), rest]));
    }),
  );
});
