import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { decodeHeic } from './heic.ts';
import { alone, besideOthers } from './libvips.ts';
import { isHarmless } from './libvips-says.ts';
import { mended } from './mended.ts';
import { tagPngWithProfile } from './png-profile.ts';
import { sniffFormat } from './sniff.ts';

/**
 * A photo of any format that `preprocess` takes, upright, for another use than the network's input.
 * @param shrink makes it small; may be applied several times.
 * @param use may be called up to three times, where it stops at damage or a harmless warning.
 */
export async function usePhoto<T>(
  bytes: Buffer,
  maxPixels: number,
  shrink: (image: Sharp) => Sharp,
  use: (image: Sharp) => Promise<T>,
): Promise<T> {
  const format = sniffFormat(bytes);
  if (format !== 'heic') {
    return pastHarmless(mended(bytes, format), maxPixels, (upright) => use(shrink(upright)));
  }
  const { image } = await openHeic(bytes, maxPixels, shrink);
  return besideOthers(() => use(shrink(image)));
}

/**
 * Decodes strictly. Where that fails it is asked why, with no other photo beside it, and decodes
 * leniently where the warning does no harm: half of a TIFF is still an error then.
 * @param use may be called up to three times.
 * @throws what libvips says of this photo; see `libvips-says.ts`.
 */
export async function pastHarmless<T>(
  bytes: Buffer,
  maxPixels: number,
  use: (upright: Sharp) => Promise<T>,
): Promise<T> {
  const decode = (failOn: SharpOptions['failOn']) =>
    use(sharp(bytes, { failOn, limitInputPixels: maxPixels }).autoOrient());
  try {
    return await besideOthers(() => decode('warning'));
  } catch {
    return alone(async () => {
      try {
        return await decode('warning');
      } catch (error) {
        if (!isHarmless(error as Error)) throw error;
      }
      return decode('error');
    });
  }
}

/**
 * A HEIC photo for sharp. It is to be shrunk by whoever uses it.
 * @param shrink is applied where the colours have to be converted: that is then less work.
 * @returns with width and height of the whole photo, in pixels.
 * @throws RetaggerError as `decodeHeic`.
 */
export async function openHeic(bytes: Buffer, maxPixels: number, shrink: (image: Sharp) => Sharp) {
  const image = await decodeHeic(bytes, maxPixels);
  const { width, height, channels, icc } = image;
  const raw = { width, height, channels };
  const decoded = sharp(image.pixels, { raw, limitInputPixels: maxPixels });
  if (icc === null) return { image: decoded, width, height };
  // sharp takes a profile only from a file. The photo is small by now, so a PNG costs next to
  // nothing; the colours are converted after the resize instead of before it.
  const uncompressed = shrink(decoded).png({ compressionLevel: 0 });
  const png = await besideOthers(() => uncompressed.toBuffer());
  return { image: sharp(tagPngWithProfile(png, icc)), width, height };
}
