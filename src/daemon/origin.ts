import { lstat, unlink } from 'node:fs/promises';
import { isCode } from './disk.ts';
import type { AnyPath } from './paths.ts';

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
}

export async function lookAt(path: AnyPath): Promise<Origin> {
  const { ino, size, mtimeMs } = await lstat(path);
  return { path, ino, size, mtimeMs };
}

/** Whether it is no more: gone, replaced, or written to since. */
export async function hasChanged(origin: Origin): Promise<boolean> {
  const now = await lookNow(origin);
  return now === null || !same(now, origin);
}

/** Removes it, unless it has changed: then it is another photo, and the folder's to take. */
export async function dropOrigin(origin: Origin): Promise<void> {
  const now = await lookNow(origin);
  if (now === null || !same(now, origin)) return;
  await unlink(origin.path).catch((error) => {
    if (!isCode(error, 'ENOENT')) throw error;
  });
}

export const same = (a: Origin, b: Origin): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;

/** @returns null where it is gone. */
async function lookNow({ path }: Origin): Promise<Origin | null> {
  try {
    return await lookAt(path);
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** Originals whose copy is in the spool. Who names one of them again comes too late. */
export class Originals {
  readonly #held = new Map<string, Origin>();

  /** @returns false where this very file has been taken. */
  claim(origin: Origin): boolean {
    const held = this.#held.get(keyOf(origin));
    if (held !== undefined && same(held, origin)) return false;
    this.hold(origin);
    return true;
  }

  /** In place of what was claimed or held at this path. */
  hold(origin: Origin): void {
    this.#held.set(keyOf(origin), origin);
  }

  /** Does nothing where another file has come to this path since. */
  release(origin: Origin): void {
    if (this.#held.get(keyOf(origin)) === origin) this.#held.delete(keyOf(origin));
  }
}

const keyOf = ({ path }: Origin): string =>
  typeof path === 'string' ? path : `\0${path.toString('latin1')}`;
