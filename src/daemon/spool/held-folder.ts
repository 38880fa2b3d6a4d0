import { closeSync, constants, openSync } from 'node:fs';
import { open, readlink, realpath } from 'node:fs/promises';
import { RetaggerError } from '../../errors.ts';
import type { AnyPath } from '../paths.ts';

/**
 * Work on a file in the very folder it is in. By its path alone it could be another's file: between a
 * look at it and the work, a user with rights there can put a link in place of a folder.
 */

/** Open only to be named, also a folder that we may not list; Node has no name for it. */
const O_PATH = 0o10_000_000;
const HOLD = O_PATH | constants.O_DIRECTORY;
const SLASH = 0x2f;
const BYTES = { encoding: 'buffer' } as const;

const pathOf = (fd: number): Buffer => Buffer.from(`/proc/self/fd/${fd}`);

/** @returns a file's folder, and its name with the slash before it. */
function parts(file: AnyPath): readonly [Buffer, Buffer] {
  const path = typeof file === 'string' ? Buffer.from(file) : file;
  const end = path.lastIndexOf(SLASH);
  return [path.subarray(0, end), path.subarray(end)];
}

/**
 * @param root folder above the file, which alone may be a link.
 * @param work given another path of the file, good until it is done.
 * @throws RetaggerError `file_missing` where a link leads to the file; system errors, those of `work`.
 */
export async function inItsFolder<T>(
  file: AnyPath,
  root: string,
  work: (file: AnyPath) => Promise<T>,
): Promise<T> {
  if (process.platform !== 'linux') return work(file);
  const [path, name] = parts(file);
  const folder = await open(path, HOLD);
  try {
    const held = pathOf(folder.fd);
    const [there, above] = await Promise.all([readlink(held, BYTES), realpath(root, BYTES)]);
    const way = path.subarray(Buffer.byteLength(root));
    if (!there.equals(Buffer.concat([above, way]))) throw new RetaggerError('file_missing');
    return await work(Buffer.concat([held, name]));
  } finally {
    await folder.close();
  }
}

/** The same in one step, wherever the way there leads: `work` looks whether it is the file. */
export function inItsFolderSync<T>(file: AnyPath, work: (file: AnyPath) => T): T {
  if (process.platform !== 'linux') return work(file);
  const [path, name] = parts(file);
  const folder = openSync(path, HOLD);
  try {
    return work(Buffer.concat([pathOf(folder), name]));
  } finally {
    closeSync(folder);
  }
}
