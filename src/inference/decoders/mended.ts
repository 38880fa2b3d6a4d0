import type { ImageFormat } from './sniff.ts';
import { tiffNumbers } from './tiff-numbers.ts';

const DIRECTORIES = 100;
const SHORT = 3;
/** Tags of TIFF that libtiff calls an error outside 1 to `largest`; viewers then take `usual`. */
const ORIENTATION = { largest: 8, usual: 1 };
const RESOLUTION_UNIT = { largest: 3, usual: 2 };
const TAGS = new Map([
  [274, ORIENTATION],
  [296, RESOLUTION_UNIT],
]);

/**
 * The photo without what libvips refuses in its header and viewers pass over: the same bytes where
 * there is nothing of it, else a copy.
 */
export function mended(bytes: Buffer, format: ImageFormat | null): Buffer {
  if (format === 'avif') return withAvifBrand(bytes);
  return format === 'tiff' ? withTagsInRange(bytes) : bytes;
}

/** libvips does not know the main brand of a sequence, whose first picture is one like all others. */
function withAvifBrand(bytes: Buffer): Buffer {
  if (bytes.toString('latin1', 8, 12) !== 'avis') return bytes;
  const copy = Buffer.from(bytes);
  copy.write('avif', 8, 'latin1');
  return copy;
}

function withTagsInRange(tiff: Buffer): Buffer {
  const numbers = tiffNumbers(tiff);
  if (numbers === null) return tiff;
  const { little, short, long } = numbers;
  let copy: Buffer | undefined;
  let link = 4;
  for (let n = 0; n < DIRECTORIES && link + 4 <= tiff.length; n++) {
    const directory = long(link);
    if (directory < 8 || directory + 2 > tiff.length) break;
    link = directory + 2 + 12 * short(directory);
    for (let entry = directory + 2; entry < link && entry + 12 <= tiff.length; entry += 12) {
      const tag = TAGS.get(short(entry));
      if (tag === undefined || short(entry + 2) !== SHORT || long(entry + 4) !== 1) continue;
      const value = short(entry + 8);
      if (value >= 1 && value <= tag.largest) continue;
      copy ??= Buffer.from(tiff);
      if (little) copy.writeUInt16LE(tag.usual, entry + 8);
      else copy.writeUInt16BE(tag.usual, entry + 8);
    }
  }
  return copy ?? tiff;
}
