import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isCode } from './system-errors.ts';

/**
 * Makes a folder of the daemon's own, with those above it: closed to others, whatever the umask. Step by
 * step: where a disk says of a name it does not take that it is not there (exfat-fuse, CIFS), Node's
 * own `recursive` never ends; and of a read-only disk it says that the folder is not there.
 * @param mode where it is not the daemon's alone.
 * @returns the first that was made; undefined where all were there.
 */
export async function makeOwnFolder(path: string, mode = 0o750): Promise<string | undefined> {
  try {
    return await makeOne(path, mode);
  } catch (error) {
    if (!isCode(error, 'ENOENT') || dirname(path) === path) throw error;
  }
  const above = await makeOwnFolder(dirname(path), mode);
  const made = await makeOne(path, mode);
  return above ?? made;
}

async function makeOne(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (!isCode(error, 'EEXIST') || !(await stat(path)).isDirectory()) throw error;
    return undefined;
  }
}
