import { crc32, deflateSync } from 'node:zlib';

/** Signature and IHDR chunk, which is always 25 bytes long and always first. */
const HEADER_BYTES = 8 + 25;

/** A PNG's bytes with an ICC profile put in: an iCCP chunk right after the header. */
export function tagPngWithProfile(png: Uint8Array, icc: Uint8Array): Buffer {
  const name = Buffer.from('icc\0\0', 'latin1'); // any name; compression method 0
  const typed = Buffer.concat([Buffer.from('iCCP', 'latin1'), name, deflateSync(icc)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(typed.length - 4);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(typed));
  const rest = png.subarray(HEADER_BYTES);
  return Buffer.concat([png.subarray(0, HEADER_BYTES), length, typed, check, rest]);
}
