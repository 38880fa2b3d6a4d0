import { statfs } from 'node:fs/promises';

const GIGA = 1e9;

/**
 * A disk that is full after an hour is better known before.
 * @returns a warning where fewer bytes are free than are needed, else null.
 */
export async function tooLittleSpace(dir: string, bytes: number): Promise<string | null> {
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (free >= bytes) return null;
  const amount = (value: number) => `${(value / GIGA).toPrecision(3)} GB`;
  return `warning: the features need ${amount(bytes)} in ${dir}, where ${amount(free)} are free; fewer --examples or another --cache`;
}
