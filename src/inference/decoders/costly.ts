import { readJpegHeader } from './jpeg-header.ts';
import type { ImageFormat } from './sniff.ts';

/** From so many pixels on a picture that has to be decoded as a whole weighs. */
const PIXELS = 16_000_000;
/** The same by the bytes of the file, for all but JPEG and PNG. */
const BYTES = 4 * 1024 * 1024;

/**
 * Whether decoding a photo takes so much memory that it should be the only one. Sequential JPEGs
 * and PNGs come row by row and are shrunk on the way; of all others libvips holds the whole picture,
 * of progressive JPEGs even the coefficients, 3 to 6 bytes a pixel.
 */
export function isCostly(format: ImageFormat | null, bytes: Buffer): boolean {
  if (format === 'jpeg') return progressivePixels(bytes) >= PIXELS;
  if (format === 'png') return interlacedPixels(bytes) >= PIXELS;
  if (format === null || bytes.length >= BYTES) return format !== null;
  // An even AVIF of a few kB may have 100 megapixels, 17 bytes each while it is decoded.
  if (format === 'avif' || format === 'heic') return isoMediaPixels(bytes) >= PIXELS;
  return format === 'gif' && gifPixels(bytes) >= PIXELS;
}

/** 0 for a JPEG that is not progressive, or has no header. */
function progressivePixels(bytes: Buffer): number {
  const header = readJpegHeader(bytes);
  return header?.progressive ? header.width * header.height : 0;
}

function interlacedPixels(bytes: Buffer): number {
  if (bytes.length < 29 || bytes[28] !== 1) return 0;
  return bytes.readUInt32BE(16) * bytes.readUInt32BE(20);
}

/** Of the largest picture that an ISO base media file says it has: a box `ispe` names each one's size. */
function isoMediaPixels(bytes: Buffer): number {
  let largest = 0;
  for (let at = bytes.indexOf('ispe'); at >= 0; at = bytes.indexOf('ispe', at + 4)) {
    if (at + 16 > bytes.length) break;
    largest = Math.max(largest, bytes.readUInt32BE(at + 8) * bytes.readUInt32BE(at + 12));
  }
  return largest;
}

function gifPixels(bytes: Buffer): number {
  return bytes.length < 10 ? 0 : bytes.readUInt16LE(6) * bytes.readUInt16LE(8);
}
