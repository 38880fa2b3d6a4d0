/** The image formats that are taken. GIF and TIFF: the first frame or page. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif' | 'heic';

type Bytes = readonly number[];
const ascii = (text: string): Bytes => [...Buffer.from(text, 'latin1')];

/** Every signature: pieces that must stand at these offsets. */
const SIGNATURES: readonly [ImageFormat, readonly (readonly [number, Bytes])[]][] = [
  ['jpeg', [[0, [0xff, 0xd8, 0xff]]]],
  ['png', [[0, [0x89, ...ascii('PNG\r\n\x1a\n')]]]],
  [
    'webp',
    [
      [0, ascii('RIFF')],
      [8, ascii('WEBP')],
    ],
  ],
  ['gif', [[0, ascii('GIF87a')]]],
  ['gif', [[0, ascii('GIF89a')]]],
  ['tiff', [[0, ascii('II*\0')]]],
  ['tiff', [[0, ascii('MM\0*')]]],
  // BigTIFF
  ['tiff', [[0, ascii('II+\0')]]],
  ['tiff', [[0, ascii('MM\0+')]]],
];

const AVIF_BRANDS = new Set(['avif', 'avis']);
const HEIC_BRANDS = new Set(['heic', 'heix', 'heim', 'heis', 'hevc', 'hevx', 'hevm', 'hevs']);

/**
 * The format by the file's first bytes, never by its name; null for anything else. A file cut off
 * inside its signature still counts as that format, so that it is called damaged, not unsupported.
 */
export function sniffFormat(bytes: Buffer): ImageFormat | null {
  if (bytes.length === 0) return null;
  for (const [format, pieces] of SIGNATURES) {
    if (pieces.every(([offset, piece]) => startsWith(bytes, offset, piece))) return format;
  }
  return startsWith(bytes, 4, ascii('ftyp')) && bytes.length > 4 ? isoMediaFormat(bytes) : null;
}

function startsWith(bytes: Buffer, offset: number, piece: Bytes): boolean {
  const there = Math.min(piece.length, Math.max(bytes.length - offset, 0));
  return piece.slice(0, there).every((byte, i) => bytes[offset + i] === byte);
}

/** ISO base media files (also MP4 video) name the codecs they need in the `ftyp` box's brands. */
function isoMediaFormat(box: Buffer): ImageFormat | null {
  // A box longer than this names no brand that matters; it bounds the work on hostile input.
  const end = Math.min(box.readUInt32BE(0), box.length, 512);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) {
    if (at !== 12) brands.push(box.toString('latin1', at, at + 4)); // 12 is the minor version
  }
  if (brands.some((brand) => AVIF_BRANDS.has(brand))) return 'avif';
  if (brands.some((brand) => HEIC_BRANDS.has(brand))) return 'heic';
  // Cut off before the brands end: damaged, whichever it was.
  return box.length < 12 || box.length < Math.min(box.readUInt32BE(0), 512) ? 'heic' : null;
}
