/** Reads numbers of a TIFF, in its byte order. */
export interface TiffNumbers {
  readonly little: boolean;
  /** @throws RangeError past the end, as `long`. */
  short(at: number): number;
  long(at: number): number;
}

/** @param tiff a file, or EXIF, which is built like one. @returns null where it does not begin so. */
export function tiffNumbers(tiff: Buffer): TiffNumbers | null {
  const magic = tiff.toString('latin1', 0, 4);
  const little = magic === 'II*\0';
  if ((!little && magic !== 'MM\0*') || tiff.length < 8) return null;
  return {
    little,
    short: (at) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at)),
    long: (at) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at)),
  };
}
