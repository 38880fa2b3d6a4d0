import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { expect, it } from 'vitest';
import { isCostly } from '../../../src/inference/decoders/costly.ts';
import { type ImageFormat, sniffFormat } from '../../../src/inference/decoders/sniff.ts';

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
  expect(isCostly('tiff', Buffer.alloc(1024))).toBe(false);
});

it('takes any bytes', () => {
  const formats = fc.constantFrom<ImageFormat>('jpeg', 'png', 'gif', 'avif');
  fc.assert(
    fc.property(formats, fc.uint8Array({ maxLength: 200 }), (format, bytes) => {
      const start = { jpeg: [0xff, 0xd8, 0xff], avif: Buffer.from('ispe') }[format as string] ?? [];
      expect(isCostly(format, Buffer.from([...start, ...bytes]))).toBeTypeOf('boolean');
    }),
  );
});
