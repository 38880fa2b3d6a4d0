import sharp, { type Sharp } from 'sharp';
import { RetaggerError, tooManyBytes, tooManyPixels } from '../errors.ts';
import { acquireBuffer, releaseBuffer } from './buffer-pool.ts';
import { checkMemory } from './decoders/costly.ts';
import { isExifMaze } from './decoders/exif-maze.ts';
import { decodeFast } from './decoders/fast-jpeg.ts';
import { readJpegHeader } from './decoders/jpeg-header.ts';
import { scansOf } from './decoders/jpeg-scans.ts';
import { besideOthers } from './decoders/libvips.ts';
import { whyNot } from './decoders/libvips-says.ts';
import { mended } from './decoders/mended.ts';
import { openHeic, pastHarmless } from './decoders/open-photo.ts';
import { type ImageFormat, sniffFormat } from './decoders/sniff.ts';
import { isPlainYCbCr } from './decoders/tiff-ycbcr.ts';
import { type DecodeJpeg, turbojpeg } from './decoders/turbojpeg.ts';
import { PIXEL_BYTES } from './engine.ts';
import { INPUT_SIZE } from './network/inceptionv3.ts';
import { readPhoto } from './read-photo.ts';
import { isResampled, resampler } from './resample/resample.ts';
import { turn } from './resample/turn.ts';

/**
 * The one way from a photo's bytes to the network's input. Serving, evaluation and training all
 * call `preprocess`, so that the network is asked about exactly what it was taught on.
 */

export interface ImageLimits {
  /** Largest width × height. */
  readonly pixels: number;
  /** Largest file. */
  readonly bytes: number;
}

export interface Preprocessed {
  /** RGB, 0..255, row by row: 299 × 299 × 3 bytes. To be given back to `buffer-pool.ts`, or not. */
  readonly pixels: Buffer;
  /** Of the photo, in pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
}

/**
 * Transparent parts become white: drawings and floor plans with an alpha channel are made for a
 * white page, and black lines on black would vanish.
 */
const BACKGROUND = '#ffffff';

/**
 * Samples that libvips brings to 8 bits as viewers do: it takes integers of other sizes as they are, so
 * that a photo in them is black or white.
 */
const DEPTHS = new Set(['uchar', 'ushort', 'float']);

/** Its decoder takes 17 bytes a pixel: so many fit in the 1 GB that the service may have (`MemoryMax`). */
const AVIF_PIXELS = 40_000_000;

/**
 * Longest side, what a JPEG can have at most. Of longer rows libvips holds so many at once that a PNG or
 * TIFF of a few kB takes gigabytes, and longer columns take minutes.
 */
const SIDE = 65_535;

/** Of a JPEG, more than anybody needs: of 100 megapixels each takes 0.04 s. */
const SCANS = 200;

/**
 * Decodes a photo as the network wants it: EXIF orientation applied, colours in sRGB, resized to
 * 299×299 without crop or padding.
 * @param input a file's path, or its bytes.
 * @param jpegs where there is one, decodes most JPEGs instead of sharp, to the same pixels.
 * @throws RetaggerError `image_unsupported`, `image_corrupt`, `image_too_large`, `file_missing`.
 */
export async function preprocess(
  input: string | Buffer,
  limits: ImageLimits,
  jpegs: Promise<DecodeJpeg | null> = turbojpeg(),
): Promise<Preprocessed> {
  if (typeof input !== 'string') return preprocessBytes(input, limits, jpegs);
  const bytes = await readPhoto(input, limits.bytes);
  return preprocessBytes(bytes, limits, jpegs).finally(() => releaseBuffer(bytes));
}

async function preprocessBytes(
  bytes: Buffer,
  limits: ImageLimits,
  jpegs: Promise<DecodeJpeg | null>,
): Promise<Preprocessed> {
  if (bytes.length > limits.bytes) throw tooManyBytes(limits.bytes);
  if (bytes.length === 0) throw new RetaggerError('image_corrupt', 'The file is empty.');
  const format = sniffFormat(bytes);
  if (format === null) throw new RetaggerError('image_unsupported');
  checkMemory(format, bytes, limits.pixels);
  try {
    if (format === 'heic') return await preprocessHeic(bytes, limits.pixels);
    if (format === 'tiff' && isPlainYCbCr(bytes)) {
      throw new RetaggerError(
        'image_unsupported',
        'Its samples are YCbCr, and not packed as JPEG.',
      );
    }
    const fast = format === 'jpeg' && (await preprocessJpeg(bytes, limits.pixels, await jpegs));
    if (fast) return fast;
    if (format === 'jpeg' && isEndless(bytes)) {
      throw new RetaggerError('image_unsupported', `A JPEG of ${SCANS} scans or more.`);
    }
    if (format !== 'tiff' && isExifMaze(bytes)) {
      throw new RetaggerError('image_corrupt', 'Its EXIF directories lead to each other.');
    }
    const most = format === 'avif' ? Math.min(limits.pixels, AVIF_PIXELS) : limits.pixels;
    return await preprocessBySharp(mended(bytes, format), format, most);
  } catch (error) {
    if (error instanceof RetaggerError) throw error;
    const { reason, unsupported } = whyNot(error as Error);
    const code = unsupported ? 'image_unsupported' : 'image_corrupt';
    throw new RetaggerError(code, `${format}: ${reason}`, { cause: error });
  }
}

/** Also where the frame that would say so is hidden behind a thousand segments. */
function isEndless(jpeg: Buffer): boolean {
  return readJpegHeader(jpeg)?.progressive !== false && scansOf(jpeg, SCANS) === SCANS;
}

/** null for a JPEG that sharp has to look at. */
async function preprocessJpeg(
  bytes: Buffer,
  maxPixels: number,
  decode: DecodeJpeg | null,
): Promise<Preprocessed | null> {
  const decoded = decode && (await decodeFast(bytes, maxPixels, decode));
  if (!decoded) return null;
  const { image, whole, orientation, width, height } = decoded;
  try {
    const pixels = acquireBuffer(PIXEL_BYTES);
    const resample = isResampled(whole) && resampler();
    if (resample) {
      const rowBytes = image.width * 3;
      turn(resample({ ...whole, pixels: image.pixels, rowBytes }), orientation, pixels);
    } else {
      const raw = { width: image.width, height: image.height, channels: 3 } as const;
      const part = sharp(image.pixels, { raw }).extract({ left: 0, top: 0, ...whole });
      const input = await besideOthers(() => toInput(part));
      turn(input, orientation, pixels);
      releaseBuffer(input);
    }
    return { pixels, width, height };
  } finally {
    image.release();
  }
}

async function preprocessBySharp(
  bytes: Buffer,
  format: ImageFormat,
  maxPixels: number,
): Promise<Preprocessed> {
  const looked = besideOthers(() => sharp(bytes, { limitInputPixels: false }).metadata());
  // The others have no room for longer sides in their headers.
  if (format === 'png' || format === 'tiff') checkSides(await looked.catch(() => null));
  // Both at once, because some engines hold the event loop up, and might in between. The limit holds
  // for the decoding too, so a bomb is refused there before any of it is inflated.
  const [header, decoded] = await Promise.allSettled([
    looked,
    pastHarmless(bytes, maxPixels, toInput),
  ]);
  if (header.status === 'rejected') {
    // The other was asked alone, and tells of this photo.
    throw decoded.status === 'rejected' ? decoded.reason : header.reason;
  }
  const { width, height } = header.value.autoOrient;
  if (width * height > maxPixels) throw tooManyPixels(width, height, maxPixels);
  if (decoded.status === 'rejected') throw decoded.reason;
  const { depth, space } = header.value;
  // Floats are brought to 8 bits only where they are colours.
  if (!DEPTHS.has(depth) || (depth === 'float' && space !== 'scrgb')) {
    throw new RetaggerError('image_unsupported', `Its samples are ${depth} (${space}).`);
  }
  return { pixels: decoded.value, width, height };
}

/** @throws RetaggerError `image_too_large`. */
function checkSides(header: { readonly width: number; readonly height: number } | null): void {
  if (header === null || Math.max(header.width, header.height) <= SIDE) return;
  const { width, height } = header;
  throw new RetaggerError(
    'image_too_large',
    `The image has ${width} × ${height} pixels; at most ${SIDE} are allowed along a side.`,
  );
}

async function preprocessHeic(bytes: Buffer, maxPixels: number): Promise<Preprocessed> {
  const { image, width, height } = await openHeic(bytes, maxPixels, resized);
  return { pixels: await besideOthers(() => toInput(image)), width, height };
}

/** The kernel is stated because another one changes the pixels the network was trained on. */
function resized(image: Sharp): Sharp {
  return image
    .flatten({ background: BACKGROUND })
    .resize(INPUT_SIZE, INPUT_SIZE, { fit: 'fill', kernel: 'lanczos3' });
}

async function toInput(image: Sharp): Promise<Buffer> {
  const { data, info } = await resized(image)
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels`);
  // sharp's own, of which V8 knows but a few bytes, would lie about by the dozen.
  const pixels = acquireBuffer(PIXEL_BYTES);
  pixels.set(data);
  return pixels;
}
