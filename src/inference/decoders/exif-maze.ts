import { tiffNumbers } from './tiff-numbers.ts';

/** How an EXIF block begins, little or big end first. */
const STARTS = [Buffer.from('II*\0', 'latin1'), Buffer.from('MM\0*', 'latin1')];
/** Tags that point to another directory: EXIF's own, GPS, interoperability. */
const POINTERS = new Set([0x8769, 0x8825, 0xa005]);
/** Entries of all directories; a camera writes some hundreds. */
const ENTRIES = 20_000;
const DEPTH = 24;

/**
 * Whether a photo's EXIF leads from directory to directory for ever, or nearly so: of one whose
 * directories hold thousands of pointers to each other libexif, which libvips asks, follows every one,
 * 64 kB for minutes. Takes any bytes of a format in which EXIF may be anywhere.
 */
export function isExifMaze(photo: Buffer): boolean {
  const walk = { left: ENTRIES };
  for (const start of STARTS) {
    for (let at = photo.indexOf(start); at >= 0; at = photo.indexOf(start, at + 4)) {
      follow(photo.subarray(at), walk);
      walk.left -= 1;
      if (walk.left <= 0) return true;
    }
  }
  return false;
}

/** @param walk how many entries more may be looked at. */
function follow(exif: Buffer, walk: { left: number }): void {
  const numbers = tiffNumbers(exif);
  if (numbers === null) return;
  const { short, long } = numbers;
  /** @returns where the next directory is; 0 for none. */
  const directory = (at: number, kind: number, depth: number): number => {
    if (at + 2 > exif.length) return 0;
    const there = Math.floor((exif.length - at - 2) / 12);
    const end = at + 2 + 12 * Math.min(short(at), there);
    for (let entry = at + 2; entry < end && walk.left > 0; entry += 12) {
      walk.left -= 1;
      const tag = short(entry);
      // One of a kind within its own kind is not followed.
      if (!POINTERS.has(tag) || tag === kind || depth === DEPTH) continue;
      directory(long(entry + 8), tag, depth + 1);
    }
    return end + 4 <= exif.length ? long(end) : 0;
  };
  const thumbnail = directory(long(4), 0, 0);
  if (thumbnail > 0) directory(thumbnail, 1, 0);
}
