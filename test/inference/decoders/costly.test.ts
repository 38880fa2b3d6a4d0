import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { expect, it } from 'vitest';
import { checkMemory, isCostly } from '../../../src/inference/decoders/costly.ts';
import { type ImageFormat, sniffFormat } from '../../../src/inference/decoders/sniff.ts';
import { gridOf } from '../heif.ts';
import { tiffOf } from '../tiff.ts';

const picture = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#888' } });

it.each([
  ['progressive JPEG', (image: Sharp) => image.jpeg({ progressive: true }), true],
  ['sequential JPEG', (image: Sharp) => image.jpeg({ progressive: false }), false],
  ['interlaced PNG', (image: Sharp) => image.png({ progressive: true }), true],
  ['plain PNG', (image: Sharp) => image.png(), false],
  ['AVIF of a few kB', (image: Sharp) => image.avif({ effort: 0 }), true],
  ['GIF of a few kB', (image: Sharp) => image.gif(), true],
])('a large %s', async (_, encode, costly) => {
  const large = await encode(picture(5000, 4000)).withMetadata().toBuffer();
  expect(isCostly(sniffFormat(large), large)).toBe(costly);
  const small = await encode(picture(500, 400)).toBuffer();
  expect(isCostly(sniffFormat(small), small)).toBe(false);
});

it('a large progressive JPEG with fill bytes before its markers', () => {
  const comment = [0xff, 0xff, 0xfe, 0, 2];
  const frame = [0xff, 0xff, 0xff, 0xc2, 0, 17, 8, 0x13, 0x88, 0x0f, 0xa0, 3];
  const bytes = Buffer.from([0xff, 0xd8, ...comment, ...frame]);
  expect(isCostly('jpeg', bytes)).toBe(true);
});

/** A JPEG's start, frame and first scan: no picture. */
function jpegHead(side: number, marker: number, components: number, inScan: number): Buffer {
  const frame = [
    0,
    8 + 3 * components,
    8,
    side >> 8,
    side & 255,
    side >> 8,
    side & 255,
    components,
  ];
  const each = Array.from({ length: components }, (_, n) => [n + 1, 0x11, 0]).flat();
  return Buffer.from([0xff, 0xd8, 0xff, marker, ...frame, ...each, 0xff, 0xda, 0, 8, inScan]);
}

it('a large sequential JPEG whose components come one by one', () => {
  expect(isCostly('jpeg', jpegHead(5000, 0xc0, 3, 1))).toBe(true);
  expect(isCostly('jpeg', jpegHead(5000, 0xc0, 3, 3))).toBe(false);
  expect(isCostly('jpeg', jpegHead(500, 0xc0, 3, 1))).toBe(false);
});

it('a JPEG that hides its frame behind a thousand comments', () => {
  const head = jpegHead(500, 0xc0, 3, 3);
  const comments = Array(1001).fill(Buffer.of(0xff, 0xfe, 0, 2));
  const bytes = Buffer.concat([head.subarray(0, 2), ...comments, head.subarray(2)]);
  expect(isCostly('jpeg', bytes)).toBe(true);
});

/** A PNG's signature and header, and no more. */
function pngHead(width: number, height: number, depth: number, colours: number, interlaced = 0) {
  const head = Buffer.alloc(33);
  head.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1');
  head.writeUInt32BE(width, 16);
  head.writeUInt32BE(height, 20);
  head.set([depth, colours, 0, 0, interlaced], 24);
  return head;
}

/** An animated WebP's header: the canvas on which small frames may be put. */
function webpHead(width: number, height: number): Buffer {
  const head = Buffer.alloc(30);
  head.write('RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02', 'latin1');
  head.writeUIntLE(width - 1, 24, 3);
  head.writeUIntLE(height - 1, 27, 3);
  return head;
}

const tiffHead = (width: number, height: number) => tiffOf(Buffer.alloc(12), width, height);

it.each<[string, ImageFormat, Buffer, boolean]>([
  ['animated WebP with a large canvas', 'webp', webpHead(16_000, 6000), true],
  ['animated WebP', 'webp', webpHead(1000, 600), false],
  ['PNG of very long rows', 'png', pngHead(60_000, 1500, 8, 2), true],
  ['PNG of very long columns', 'png', pngHead(1500, 60_000, 8, 2), false],
  ['TIFF of very long rows', 'tiff', tiffHead(60_000, 1500), true],
  ['TIFF', 'tiff', tiffHead(8000, 6000), false],
  ['BigTIFF, whatever it holds', 'tiff', Buffer.from('II+\0\x08\0\0\0'), true],
])('%s', (_, format, bytes, costly) => {
  expect(isCostly(format, bytes)).toBe(costly);
});

const MP = 1_000_000;
const tile = await picture(6300, 6300).avif({ effort: 0 }).toBuffer();

it.each<[string, ImageFormat, Buffer, boolean]>([
  ['a progressive JPEG of 100 megapixels', 'jpeg', jpegHead(10_000, 0xc2, 3, 3), true],
  ['the same in CMYK', 'jpeg', jpegHead(10_000, 0xc2, 4, 4), false],
  ['an interlaced PNG of 100 megapixels', 'png', pngHead(10_000, 10_000, 8, 6, 1), true],
  ['the same of 16 bits', 'png', pngHead(10_000, 10_000, 16, 6, 1), false],
  ['a PNG of rows as long as they may be', 'png', pngHead(65_535, 1500, 8, 6), true],
  ['the same of 16 bits', 'png', pngHead(65_535, 1500, 16, 6), false],
  ['an AVIF of 39 megapixels', 'avif', tile, true],
  ['a grid of four of them', 'avif', gridOf(tile, 2, 2, 6300, 6300), false],
])('there is memory for %s: %s %s %s', (_, format, bytes, fits) => {
  const check = () => checkMemory(format, bytes, 100 * MP);
  if (fits) check();
  else expect(check).toThrow(/would take \d+ MB of memory; at most 700 MB/);
  // Who allows larger pictures has more memory.
  checkMemory(format, bytes, 400 * MP);
});

it('an AVIF of 10 bits takes half as much again', async () => {
  const deep = Buffer.from(tile);
  deep[deep.indexOf('av1C') + 6] = 0x40;
  expect(() => checkMemory('avif', deep, 100 * MP)).toThrow('953 MB');
});

it('a HEIC of few bytes by the largest size in it', () => {
  const size = (width: number, height: number) => {
    const box = Buffer.from('\0\0\0\x14ispe\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1');
    box.writeUInt32BE(width, 12);
    box.writeUInt32BE(height, 16);
    return box;
  };
  const tile = size(512, 512);
  expect(isCostly('heic', Buffer.concat([tile, size(8064, 6048), tile]))).toBe(true);
  expect(isCostly('heic', Buffer.concat([tile, size(4032, 3024), tile]))).toBe(false);
});

it('others by their bytes', () => {
  expect(isCostly('heic', Buffer.alloc(5 * 1024 * 1024))).toBe(true);
  expect(isCostly('webp', Buffer.alloc(1024))).toBe(false);
});

it('takes any bytes', () => {
  const formats = fc.constantFrom<ImageFormat>('jpeg', 'png', 'gif', 'avif', 'webp', 'tiff');
  fc.assert(
    fc.property(formats, fc.uint8Array({ maxLength: 200 }), (format, bytes) => {
      const starts = {
        ...{
          jpeg: [0xff, 0xd8, 0xff],
          avif: Buffer.from('ispe'),
          webp: webpHead(9, 9).subarray(0, 16),
        },
        ...{ tiff: Buffer.from('II*\0\x08\0\0\0') },
      };
      const start = starts[format as keyof typeof starts] ?? [];
      expect(isCostly(format, Buffer.from([...start, ...bytes]))).toBeTypeOf('boolean');
    }),
  );
});
