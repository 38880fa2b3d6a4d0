import { tiffNumbers } from './tiff-numbers.ts';

const ORIENTATION = 0x112;
const SHORT = 3;

/**
 * How a photo is to be turned, 1 (not at all) to 8, by its EXIF block; 1 where that does not say.
 * null wherever readers of EXIF could come to another answer: libvips has the last word on those.
 * @param exif behind `Exif\0\0`: a TIFF header and what it points to.
 */
export function exifOrientation(exif: Buffer): number | null {
  const numbers = tiffNumbers(exif);
  if (numbers === null) return null;
  const { short, long } = numbers;
  const directory = long(4);
  if (directory < 8 || directory + 2 > exif.length) return null;
  const entries = short(directory);
  if (directory + 2 + 12 * entries > exif.length) return null;
  let found: number | undefined;
  for (let n = 0; n < entries; n++) {
    const entry = directory + 2 + 12 * n;
    if (short(entry) !== ORIENTATION) continue;
    if (found !== undefined || short(entry + 2) !== SHORT || long(entry + 4) !== 1) return null;
    found = short(entry + 8);
    if (found < 1 || found > 8) return null;
  }
  return found ?? 1;
}
