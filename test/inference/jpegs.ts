import { createHash } from 'node:crypto';
import sharp, { type JpegOptions } from 'sharp';
import type { Preprocessed } from '../../src/inference/preprocess.ts';

/** JPEGs for tests, made here: with detail everywhere, and with the headers one asks for. */

/** A picture in which every pixel tells: colours that run across and down, and noise. RGB, row by row. */
export function noisy(width: number, height: number): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  let noise = 1;
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      noise = (Math.imul(noise, 1664525) + 1013904223) | 0;
      pixels[at++] = ((x >> 1) & 127) + ((noise >>> 24) & 63);
      pixels[at++] = ((y >> 2) & 127) + ((noise >>> 16) & 63);
      pixels[at++] = 127 - (((x + y) >> 3) & 127) + ((noise >>> 20) & 127);
    }
  }
  return pixels;
}

export function jpegOf(width: number, height: number, options: JpegOptions = {}): Promise<Buffer> {
  const raw = { width, height, channels: 3 as const };
  return sharp(noisy(width, height), { raw }).jpeg(options).toBuffer();
}

/** The JPEG with segments put in behind its start, or elsewhere. */
export const withSegment = (jpeg: Buffer, marker: number, body: Buffer | string, at = 2) => {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  const head = Buffer.of(0xff, marker, 0, 0);
  head.writeUInt16BE(bytes.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, at), head, bytes, jpeg.subarray(at)]);
};

export interface ExifEntry {
  readonly tag: number;
  readonly format: number;
  readonly count: number;
  /** The first two bytes of the value. */
  readonly value: number;
}

export const orientationEntry = (value: number): ExifEntry => ({
  ...{ tag: 0x112, format: 3, count: 1 },
  value,
});

/** A TIFF header and one directory; without `Exif\0\0`. */
export function exifBlock(entries: readonly ExifEntry[], order: 'II' | 'MM' = 'MM'): Buffer {
  const out = Buffer.alloc(14 + 12 * entries.length);
  const short = (value: number, at: number) =>
    order === 'II' ? out.writeUInt16LE(value, at) : out.writeUInt16BE(value, at);
  const long = (value: number, at: number) =>
    order === 'II' ? out.writeUInt32LE(value, at) : out.writeUInt32BE(value, at);
  out.write(order, 'latin1');
  short(42, 2);
  long(8, 4);
  short(entries.length, 8);
  for (const [n, { tag, format, count, value }] of entries.entries()) {
    short(tag, 10 + 12 * n);
    short(format, 12 + 12 * n);
    long(count, 14 + 12 * n);
    short(value, 18 + 12 * n);
  }
  return out;
}

const EXIF = Buffer.from('Exif\0\0', 'latin1');
export const withExif = (jpeg: Buffer, block: Buffer) =>
  withSegment(jpeg, 0xe1, Buffer.concat([EXIF, block]));
export const withOrientation = (jpeg: Buffer, orientation: number) =>
  withExif(jpeg, exifBlock([orientationEntry(orientation)]));

/** The JPEG with other bytes at `offset` behind the first marker of this kind. */
export function patchedBehind(
  jpeg: Buffer,
  marker: number,
  offset: number,
  bytes: readonly number[],
) {
  const out = Buffer.from(jpeg);
  out.set(bytes, out.indexOf(Buffer.of(0xff, marker)) + offset);
  return out;
}

/** Short words for a photo's pixels and size: two of these are compared in no time, the pixels are not. */
export const inShort = ({ pixels, width, height }: Preprocessed): string =>
  `${width} × ${height} ${createHash('sha256').update(pixels).digest('hex')}`;
