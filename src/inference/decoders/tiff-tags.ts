import { tiffNumbers } from './tiff-numbers.ts';

const [SHORT, LONG] = [3, 4];

/**
 * Numbers in a TIFF's first directory, by tag: of several the first, of two that fit in four bytes both as
 * one number. null for a BigTIFF, and what does not begin as a TIFF.
 */
export function tiffTags(tiff: Buffer): ReadonlyMap<number, number> | null {
  const numbers = tiffNumbers(tiff);
  if (numbers === null) return null;
  const { short, long } = numbers;
  const values = new Map<number, number>();
  const directory = long(4);
  if (directory + 2 > tiff.length) return values;
  const end = Math.min(directory + 2 + 12 * short(directory), tiff.length - 11);
  for (let entry = directory + 2; entry < end; entry += 12) {
    const [type, count] = [short(entry + 2), long(entry + 4)];
    if (type !== SHORT && type !== LONG) continue;
    const isInline = count * (type === SHORT ? 2 : 4) <= 4;
    const at = isInline ? entry + 8 : long(entry + 8);
    if (at + 4 > tiff.length) continue;
    const whole = type === LONG || (isInline && count > 1);
    values.set(short(entry), whole ? long(at) : short(at));
  }
  return values;
}
