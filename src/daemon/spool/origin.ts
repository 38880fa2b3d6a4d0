import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { RetaggerError } from '../../errors.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { ifThere, isCode } from '../../files/system-errors.ts';
import { type AnyPath, folderOf, printable } from '../paths.ts';
import { inItsFolderSync } from './held-folder.ts';

/**
 * A user's file as it was when the spool took it. On the spool's own file system it was renamed and
 * is gone; from another one it was copied, and stays until the photo has been dealt with: a writer
 * that only paused goes on in the file it has open, not in our copy.
 */
export interface Origin {
  readonly path: AnyPath;
  readonly ino: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Of its file system; unknown of photos that an older version took. */
  readonly dev?: number | undefined;
}

export async function lookAt(path: AnyPath): Promise<Origin> {
  return sightOf(path, await lstat(path));
}

const sightOf = (path: AnyPath, { ino, size, mtimeMs, dev }: Stats): Origin => ({
  ...{ path, ino, size, mtimeMs, dev },
});

/**
 * The file at an original's path; null where there is none.
 * @throws Error where its disk is away, so that nobody can tell; system errors.
 */
export async function whatIsThere(origin: Origin): Promise<Origin | null> {
  const now = await ifThere(lookAt(origin.path));
  if (now !== null || origin.dev === undefined) return now;
  for (let above = folderOf(origin.path); ; above = folderOf(above)) {
    const found = await ifThere(stat(above));
    if (found === null) continue;
    if (found.dev === origin.dev) return null;
    throw new Error(`${printable(origin.path)}: its disk is away`);
  }
}

export const same = (a: Origin, b: Origin): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;

/**
 * Whether a file is the one that was taken. FAT and exFAT make up inode numbers at each mount: where
 * only that differs, the bytes tell.
 * @param sha256 of the bytes that were taken.
 */
export async function isStill(
  now: Origin,
  taken: Origin,
  sha256: () => Promise<string>,
): Promise<boolean> {
  if (same(now, taken)) return true;
  if (!same({ ...now, ino: taken.ino }, taken)) return false;
  return (await sha256OfFile(now.path)) === (await sha256());
}

/**
 * Removes it, unless it has changed: then it may be another photo, and the folder's to take. Look
 * and removal are one step: in libuv's threads another file could take its name for long in between.
 * @returns what is there instead; null where nothing was.
 * @throws system errors.
 */
export function dropIfSame(origin: Origin): Origin | 'removed' | null {
  try {
    return inItsFolderSync(origin.path, (path) => {
      const now = sightOf(origin.path, lstatSync(path));
      if (!same(now, origin)) return now;
      unlinkSync(path);
      return 'removed';
    });
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
  return null;
}

/** A file that went away before it was taken is the sender's fault, not the disk's. */
export async function present<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) throw new RetaggerError('file_missing');
    throw error;
  }
}
