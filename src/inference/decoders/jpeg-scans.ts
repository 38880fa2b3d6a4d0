const MARKER = 0xff;
const [END, SCAN] = [0xd9, 0xda];
/** FF as data, TEM, RSTn: nothing follows that would have to be skipped. */
const isBare = (code: number) => code <= 0x01 || (code >= 0xd0 && code <= 0xd7);

/**
 * In how many scans a JPEG's picture comes, up to `most`. Cameras and programs write ten or so; each
 * goes over the whole picture, and of empty ones a small file holds thousands.
 */
export function scansOf(jpeg: Buffer, most: number): number {
  let scans = 0;
  let at = jpeg.indexOf(MARKER, 2);
  while (at >= 0 && at + 4 <= jpeg.length && scans < most) {
    const code = jpeg.readUInt8(at + 1);
    if (code === END) break;
    if (code === SCAN) scans += 1;
    const skipped = code === MARKER ? 1 : isBare(code) ? 2 : 2 + jpeg.readUInt16BE(at + 2);
    at = jpeg.indexOf(MARKER, at + skipped);
  }
  return scans;
}
