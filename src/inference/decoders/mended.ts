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
export function mended(bytes: Uint8Array, format: ImageFormat | null): Uint8Array {
  if (format === 'avif') return withAvifBrand(bytes);
  return format === 'tiff' ? withTagsInRange(bytes) : bytes;
}

/** libvips does not know the main brand of a sequence, whose first picture is one like all others. */
function withAvifBrand(bytes: Uint8Array): Uint8Array {
  if (Buffer.from(bytes.subarray(8, 12)).toString('latin1') !== 'avis') return bytes;
  const copy = Buffer.from(bytes);
  copy.write('avif', 8, 'latin1');
  return copy;
}

function withTagsInRange(bytes: Uint8Array): Uint8Array {
  const tiff = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers = tiffNumbers(tiff);
  if (numbers === null) return bytes;
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
      copy ??= Buffer.from(bytes);
      if (little) copy.writeUInt16LE(tag.usual, entry + 8);
      else copy.writeUInt16BE(tag.usual, entry + 8);
    }
  }
  return copy ?? bytes;
}
