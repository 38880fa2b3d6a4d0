import { INPUT_SIZE } from '../network/inceptionv3.ts';
import { readJpegHeader } from './jpeg-header.ts';
import type { DecodeJpeg, RgbImage } from './turbojpeg.ts';

/** Bytes of the shrunk picture, at most; only strips have more. */
const LARGEST = 16 * 1024 * 1024;

export interface FastJpeg {
  /** Shrunk, not turned yet. */
  readonly image: RgbImage;
  /**
   * From its upper left corner, the part whose pixels stand for as many of the photo's as all others;
   * libvips takes no more.
   */
  readonly whole: { readonly width: number; readonly height: number };
  /** As EXIF numbers it, 1 to 8. */
  readonly orientation: number;
  /** Of the photo, in pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
}

/**
 * Decodes a JPEG of the usual kind, to the very pixels that sharp gets on the way to the network's
 * input. null for any other, for one with faults, and for one with too many pixels: sharp has the
 * words for those.
 */
export async function decodeFast(
  bytes: Buffer,
  maxPixels: number,
  decode: DecodeJpeg,
): Promise<FastJpeg | null> {
  const header = readJpegHeader(bytes);
  if (!header?.ordinary || header.orientation === null) return null;
  const { width, height, orientation } = header;
  if (width * height === 0 || width * height > maxPixels) return null;
  const shrink = shrinkOf(width, height);
  if (Math.ceil(width / shrink) * Math.ceil(height / shrink) * 3 > LARGEST) return null;
  const image = await decode(bytes, { width, height, shrink });
  if (!image) return null;
  const whole = { width: Math.floor(width / shrink), height: Math.floor(height / shrink) };
  const upright = orientation < 5 ? { width, height } : { width: height, height: width };
  return { image, whole, orientation, ...upright };
}

/** By how much sharp 0.35 has libjpeg shrink a picture that it resizes to the network's input. */
export function shrinkOf(width: number, height: number): number {
  const wanted = Math.min(width, height) / INPUT_SIZE;
  const shrink = [8, 4, 2].find((by) => wanted >= by) ?? 1;
  // What is left must not be rounded to less than the input.
  return shrink > 1 && Math.trunc(wanted) === shrink ? shrink / 2 : shrink;
}
