import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { RetaggerError } from '../errors.ts';
import { decodeHeic, tooManyPixels } from './heic.ts';
import { INPUT_SIZE } from './inceptionv3.ts';
import { tagPngWithProfile } from './png-profile.ts';
import { type ImageFormat, sniffFormat } from './sniff.ts';

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
  /** RGB, 0..255, row by row: 299 × 299 × 3 bytes. */
  readonly pixels: Uint8Array;
  /** Of the photo, in pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
}

// libvips' cache and threads would only hold memory: every photo is new, and the cores belong to
// the inference that runs meanwhile.
sharp.cache(false);
sharp.concurrency(1);
// Only these loaders may see a photo's bytes; the rest of libvips' formats stay unreachable.
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({
  operation: ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map(
    (format) => `VipsForeignLoad${format}Buffer`,
  ),
});

/**
 * Transparent parts become white: drawings and floor plans with an alpha channel are made for a
 * white page, and black lines on black would vanish.
 */
const BACKGROUND = '#ffffff';

/**
 * libjpeg's warnings that leave the picture whole. Phones and web sites write such files daily;
 * every other warning means lost pixels.
 */
const HARMLESS_JPEG =
  /extraneous bytes before marker|Invalid SOS parameters|Adobe color transform|Inconsistent progression|JFIF revision/;

/** What is said besides, or where libvips' own text is gone. */
const SAYS_NOTHING = /^$|^Warning treated as error|^error in tile|^read gave \d+ warnings/;
/** With three decoding at once one text in five is gone. */
const MAX_TRIES = 8;

/**
 * Decodes a photo as the network wants it: EXIF orientation applied, colours in sRGB, resized to
 * 299×299 without crop or padding.
 * @param input a file's path, or its bytes.
 * @throws RetaggerError `image_unsupported`, `image_corrupt`, `image_too_large`, `file_missing`.
 */
export async function preprocess(
  input: string | Uint8Array,
  limits: ImageLimits,
): Promise<Preprocessed> {
  const bytes = typeof input === 'string' ? await readPhoto(input, limits.bytes) : input;
  if (bytes.length > limits.bytes) throw tooManyBytes(bytes.length, limits.bytes);
  if (bytes.length === 0) throw new RetaggerError('image_corrupt', 'The file is empty.');
  const format = sniffFormat(bytes);
  if (format === null) throw new RetaggerError('image_unsupported');
  try {
    return await (format === 'heic'
      ? preprocessHeic(bytes, limits.pixels)
      : preprocessBySharp(bytes, format, limits.pixels));
  } catch (error) {
    if (error instanceof RetaggerError) throw error;
    const reason = (error as Error).message.split('\n', 1)[0];
    throw new RetaggerError('image_corrupt', `${format}: ${reason}`, { cause: error });
  }
}

/**
 * A photo's bytes, read without ever holding more than the limit.
 * @throws RetaggerError `image_too_large`, `file_missing`.
 */
export async function readPhoto(path: string, maxBytes: number): Promise<Buffer> {
  // Without waiting: opening a named pipe would block until someone writes to it.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new RetaggerError('file_missing', undefined, { cause: error });
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new RetaggerError('image_unsupported', 'Not a regular file.');
    if (stat.size > maxBytes) throw tooManyBytes(stat.size, maxBytes);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

async function preprocessBySharp(
  bytes: Uint8Array,
  format: ImageFormat,
  maxPixels: number,
): Promise<Preprocessed> {
  // Both at once, because the event loop may be busy with an inference in between. The limit holds
  // for the decoding too, so a bomb is refused there before any of it is inflated.
  const [header, decoded] = await Promise.allSettled([
    sharp(bytes, { limitInputPixels: false }).metadata(),
    pastHarmless(bytes, format, maxPixels, toInput),
  ]);
  if (header.status === 'rejected') throw header.reason;
  const { width, height } = header.value.autoOrient;
  if (width * height > maxPixels) throw tooManyPixels(width, height, maxPixels);
  if (decoded.status === 'rejected') throw decoded.reason;
  return { pixels: decoded.value, width, height };
}

/**
 * Decodes strictly, and once more leniently where the first warning does no harm. libvips has one
 * text of its errors for all threads, which another photo's decoding may wipe or add to. Hence it is
 * asked again where it says nothing, and once where it says something bad.
 */
async function pastHarmless<T>(
  bytes: Uint8Array,
  format: ImageFormat | null,
  maxPixels: number,
  use: (upright: Sharp) => Promise<T>,
): Promise<T> {
  const decode = (failOn: SharpOptions['failOn']) =>
    use(sharp(bytes, { failOn, limitInputPixels: maxPixels }).autoOrient());
  for (let tries = 1; ; tries++) {
    try {
      return await decode('warning');
    } catch (error) {
      if (format !== 'jpeg' || tries === MAX_TRIES) throw error;
      const said = (error as Error).message.split('\n').filter((line) => !SAYS_NOTHING.test(line));
      const isBad = !said.every((line) => HARMLESS_JPEG.test(line));
      if (isBad && tries > 1) throw error;
      if (!isBad && said.length > 0) break;
    }
  }
  return decode('truncated');
}

async function preprocessHeic(bytes: Uint8Array, maxPixels: number): Promise<Preprocessed> {
  const { image, width, height } = await openHeic(bytes, maxPixels, resized);
  return { pixels: await toInput(image), width, height };
}

/** @param shrink is applied where the colours have to be converted: that is then less work. */
async function openHeic(bytes: Uint8Array, maxPixels: number, shrink: (image: Sharp) => Sharp) {
  const image = await decodeHeic(bytes, maxPixels);
  const { width, height, channels, icc } = image;
  const packed = image.rowBytes === width * channels ? image.pixels : withoutRowPadding(image);
  const decoded = sharp(packed, {
    raw: { width, height, channels },
    limitInputPixels: maxPixels,
  });
  if (icc === null) return { image: decoded, width, height };
  // sharp takes a profile only from a file. The photo is small by now, so a PNG costs next to
  // nothing; the colours are converted after the resize instead of before it.
  const png = await shrink(decoded).png({ compressionLevel: 0 }).toBuffer();
  return { image: sharp(tagPngWithProfile(png, icc)), width, height };
}

/**
 * A photo of any format that `preprocess` takes, upright, for another use than the network's input.
 * @param shrink makes it small; may be applied twice.
 * @param use may be called a second time, where the first stops at a warning that does no harm.
 */
export async function usePhoto<T>(
  bytes: Uint8Array,
  maxPixels: number,
  shrink: (image: Sharp) => Sharp,
  use: (image: Sharp) => Promise<T>,
): Promise<T> {
  const format = sniffFormat(bytes);
  if (format === 'heic') return use(shrink((await openHeic(bytes, maxPixels, shrink)).image));
  return pastHarmless(bytes, format, maxPixels, (upright) => use(shrink(upright)));
}

function withoutRowPadding(image: {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly rowBytes: number;
}): Uint8Array {
  const row = image.width * image.channels;
  const packed = new Uint8Array(row * image.height);
  for (let y = 0; y < image.height; y++) {
    const from = y * image.rowBytes;
    packed.set(image.pixels.subarray(from, from + row), y * row);
  }
  return packed;
}

/** The kernel is stated because another one changes the pixels the network was trained on. */
function resized(image: Sharp): Sharp {
  return image
    .flatten({ background: BACKGROUND })
    .resize(INPUT_SIZE, INPUT_SIZE, { fit: 'fill', kernel: 'lanczos3' });
}

async function toInput(image: Sharp): Promise<Uint8Array> {
  const { data, info } = await resized(image)
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decoded to ${info.channels} channels`);
  return data;
}

function tooManyBytes(size: number, maxBytes: number): RetaggerError {
  return new RetaggerError(
    'image_too_large',
    `The file has ${size} bytes; at most ${maxBytes} are allowed.`,
  );
}
