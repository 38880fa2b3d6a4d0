import type { JpegHeader } from './jpeg-header.ts';

/** More scans than any encoder writes; libvips gives up a little later. */
const MOST = 32;
const SCAN = Buffer.of(0xff, 0xda);
const COEFFICIENTS = 64;

/**
 * Whether a JPEG has no more scans than it needs and every decoder sees the same in them. A
 * sequential one must have a single scan. A progressive one must tell every coefficient to its last
 * bit: where one does not, decoders smooth the blocks, each version in its own way.
 * @param header with a scan.
 */
export function hasPlainScans(bytes: Buffer, header: JpegHeader): boolean {
  const { scan, components, progressive } = header;
  if (scan === null) return false;
  if (!progressive) return bytes[scan + 4] === components.length;
  /** Of each component's coefficients: its lowest bits that are still to come. */
  const toCome = new Map(components.map((id) => [id, new Uint8Array(COEFFICIENTS).fill(255)]));
  // This finds every scan: in the coded data 0xff is always followed by 0. That it may also find
  // bytes of a table or a comment does no harm worth the walk through all of them.
  let at = scan;
  for (let n = 0; n < MOST && at >= 0; n++) {
    if (!readScan(bytes.subarray(at + 4), toCome)) return false;
    at = bytes.indexOf(SCAN, at + 2);
  }
  return at < 0 && [...toCome.values()].every((bits) => bits.every((bit) => bit === 0));
}

/** @returns whether it could be read. */
function readScan(bytes: Buffer, toCome: ReadonlyMap<number, Uint8Array>): boolean {
  const count = bytes[0] ?? 0;
  const range = bytes.subarray(1 + 2 * count, 4 + 2 * count);
  if (range.length < 3) return false;
  const [first, last, bits] = [range.readUInt8(0), range.readUInt8(1), range.readUInt8(2)];
  if (last >= COEFFICIENTS) return false;
  for (let n = 0; n < count; n++) {
    const component = toCome.get(bytes.readUInt8(1 + 2 * n));
    if (!component) return false;
    component.fill(bits & 15, first, last + 1);
  }
  return true;
}
