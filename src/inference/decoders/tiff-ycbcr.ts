import { tiffTags } from './tiff-tags.ts';

const [COMPRESSION, COLOURS, SUBSAMPLING] = [259, 262, 530];
const JPEG = 7;
const YCBCR = 6;
/** Two shorts, across and down. */
const NONE = 0x10001;

/**
 * Whether a TIFF's first picture is YCbCr with every pixel's own Cb and Cr, not packed as JPEG. libvips
 * takes those three for red, green and blue; JPEGs, and where pixels share Cb and Cr, it converts.
 */
export function isPlainYCbCr(tiff: Buffer): boolean {
  const tags = tiffTags(tiff);
  if (tags === null) return false;
  return (
    tags.get(COLOURS) === YCBCR && tags.get(COMPRESSION) !== JPEG && tags.get(SUBSAMPLING) === NONE
  );
}
