import { RetaggerError } from '../../errors.ts';
import { heifPixels } from './heif-pixels.ts';
import { readJpegHeader } from './jpeg-header.ts';
import type { ImageFormat } from './sniff.ts';
import { tiffTags } from './tiff-tags.ts';

/** From so many pixels on a picture that has to be decoded as a whole weighs. */
const PIXELS = 16_000_000;
/** The same by the bytes of the file, for all but JPEG and PNG. */
const BYTES = 4 * 1024 * 1024;
/** Of memory for one picture: what the service may have (`MemoryMax`, 1 GB) less the rest of it. */
const HELD_BYTES = 700_000_000;
/** Where larger pictures are allowed there is to be more memory, too: so much for each of their pixels. */
const HELD_PER_PIXEL = 7;

/** What is in memory at once of a picture while it is decoded. */
interface Whole {
  readonly pixels: number;
  /** As measured at 100 megapixels, of AVIF at 40. */
  readonly bytesPerPixel: number;
}

/**
 * Whether decoding a photo takes so much memory that it should be the only one. JPEGs in one scan are
 * shrunk on the way, PNGs and TIFFs come row by row; of most others libvips holds the whole picture, of
 * JPEGs in several scans the coefficients.
 */
export function isCostly(format: ImageFormat | null, bytes: Buffer): boolean {
  if (format === null) return false;
  if (format !== 'jpeg' && format !== 'png' && bytes.length >= BYTES) return true;
  return wholeOf(format, bytes).pixels >= PIXELS;
}

/**
 * Whether there is memory for one picture alone.
 * @param maxPixels largest picture that is allowed.
 * @throws RetaggerError `image_too_large`.
 */
export function checkMemory(format: ImageFormat, bytes: Buffer, maxPixels: number): void {
  const { pixels, bytesPerPixel } = wholeOf(format, bytes);
  const [needed, most] = [pixels * bytesPerPixel, Math.max(HELD_BYTES, HELD_PER_PIXEL * maxPixels)];
  if (needed <= most) return;
  throw new RetaggerError(
    'image_too_large',
    `Decoding the image would take ${inMB(needed)} of memory; at most ${inMB(most)} are allowed.`,
  );
}

const inMB = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`;

/** So many rows libvips holds of what comes row by row, as measured; JPEGs are shrunk before. */
const ROWS = 1400;
/** It is at most 5, for which there is room wherever so many pixels are allowed: others look at those. */
const BOUNDED = 0;
const NOTHING: Whole = { pixels: 0, bytesPerPixel: 0 };
/** Large perhaps, but nobody can say how large. */
const ANYTHING: Whole = { pixels: PIXELS, bytesPerPixel: BOUNDED };

const byRows = (width: number, height: number, bytesPerPixel: number): Whole => ({
  pixels: width * Math.min(height, ROWS),
  bytesPerPixel,
});

function wholeOf(format: ImageFormat, bytes: Buffer): Whole {
  switch (format) {
    case 'jpeg': {
      const header = readJpegHeader(bytes);
      // One that hides its frame behind a thousand segments may be any.
      if (header === null) return ANYTHING;
      if (header.inOneScan) return NOTHING;
      return { pixels: header.width * header.height, bytesPerPixel: 2 * header.samples };
    }
    case 'png':
      return wholePng(bytes);
    case 'gif':
      return { pixels: gifPixels(bytes), bytesPerPixel: BOUNDED };
    case 'webp':
      return { pixels: animatedPixels(bytes), bytesPerPixel: BOUNDED };
    case 'avif':
      return { pixels: heifPixels(bytes), bytesPerPixel: isDeepAvif(bytes) ? 24 : 17 };
    case 'heic':
      return { pixels: heifPixels(bytes), bytesPerPixel: 5 };
    case 'tiff':
      return wholeTiff(bytes);
  }
}

/** Samples a pixel by a PNG's colour type; of a palette the colours that it stands for. */
const PNG_SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 4, 4: 2, 6: 4 };

function wholePng(png: Buffer): Whole {
  if (png.length < 29) return NOTHING;
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const samples = PNG_SAMPLES[png.readUInt8(25)] ?? 4;
  const bytesPerPixel = samples * (png[24] === 16 ? 2 : 1);
  const isInterlaced = png[28] === 1;
  return isInterlaced
    ? { pixels: width * height, bytesPerPixel }
    : byRows(width, height, bytesPerPixel);
}

const [WIDTH, HEIGHT, BITS, SAMPLES] = [256, 257, 258, 277];

function wholeTiff(tiff: Buffer): Whole {
  const tags = tiffTags(tiff);
  if (tags === null) return ANYTHING; // a BigTIFF
  const [width = 0, height = 0] = [tags.get(WIDTH), tags.get(HEIGHT)];
  const bits = (tags.get(BITS) ?? 1) * (tags.get(SAMPLES) ?? 1);
  return byRows(width, height, bits / 8);
}

function gifPixels(gif: Buffer): number {
  return gif.length < 10 ? 0 : gif.readUInt16LE(6) * gif.readUInt16LE(8);
}

/** 0 for a WebP without an animation, which is decoded row by row. */
function animatedPixels(webp: Buffer): number {
  if (webp.length < 30 || webp.toString('latin1', 12, 16) !== 'VP8X') return 0;
  const isAnimated = (webp.readUInt8(20) & 2) !== 0;
  return isAnimated ? (webp.readUIntLE(24, 3) + 1) * (webp.readUIntLE(27, 3) + 1) : 0;
}

/** Whether an AVIF has a picture of 10 or 12 bits a sample: `high_bitdepth` in a box `av1C`. */
function isDeepAvif(avif: Buffer): boolean {
  for (let at = avif.indexOf('av1C'); at >= 0; at = avif.indexOf('av1C', at + 4)) {
    if (((avif[at + 6] ?? 0) & 0x40) !== 0) return true;
  }
  return false;
}
