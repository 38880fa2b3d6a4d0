import { readJpegHeader } from './jpeg-header.ts';
import type { ImageFormat } from './sniff.ts';

/** From so many pixels on a picture that has to be decoded as a whole weighs. */
const PIXELS = 16_000_000;
/** The same for formats whose pixels are not looked for here: bytes of the file. */
const BYTES = 4 * 1024 * 1024;

/**
 * Whether decoding a photo takes so much memory that it should be the only one. Sequential JPEGs
 * and PNGs come row by row and are shrunk on the way; of all others libvips holds the whole picture,
 * of progressive JPEGs even the coefficients, 3 to 6 bytes a pixel.
 */
export function isCostly(format: ImageFormat | null, bytes: Buffer): boolean {
  if (format === 'jpeg') return progressivePixels(bytes) >= PIXELS;
  if (format === 'png') return interlacedPixels(bytes) >= PIXELS;
  return format !== null && bytes.length >= BYTES;
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
