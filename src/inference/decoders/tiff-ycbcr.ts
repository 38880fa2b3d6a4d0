import { tiffNumbers } from './tiff-numbers.ts';

const [SHORT, LONG] = [3, 4];
const [COMPRESSION, COLOURS, SUBSAMPLING] = [259, 262, 530];
const JPEG = 7;
const YCBCR = 6;

/**
 * Whether a TIFF's first picture is YCbCr with every pixel's own Cb and Cr, not packed as JPEG. libvips
 * takes those three for red, green and blue; JPEGs, and where pixels share Cb and Cr, it converts.
 */
export function isPlainYCbCr(bytes: Uint8Array): boolean {
  const tiff = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const numbers = tiffNumbers(tiff);
  if (numbers === null) return false;
  const { short, long } = numbers;
  const directory = long(4);
  if (directory + 2 > tiff.length) return false;
  const end = Math.min(directory + 2 + 12 * short(directory), tiff.length - 11);
  const values = new Map<number, number>();
  for (let entry = directory + 2; entry < end; entry += 12) {
    const type = short(entry + 2);
    if (type !== SHORT && type !== LONG) continue;
    // Of the two shorts of SUBSAMPLING, across and down, one number.
    const whole = type === LONG || long(entry + 4) > 1;
    values.set(short(entry), whole ? long(entry + 8) : short(entry + 8));
  }
  const packed = values.get(COMPRESSION);
  return values.get(COLOURS) === YCBCR && packed !== JPEG && values.get(SUBSAMPLING) === 0x10001;
}
