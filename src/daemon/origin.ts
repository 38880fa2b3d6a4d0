import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { ifThere, isCode } from './disk.ts';
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
  return sightOf(path, await lstat(path));
}

const sightOf = (path: AnyPath, { ino, size, mtimeMs }: Stats): Origin => ({
  ...{ path, ino, size, mtimeMs },
});

/** Whether it is no more: gone, replaced, or written to since. */
export async function hasChanged(origin: Origin): Promise<boolean> {
  const now = await ifThere(lookAt(origin.path));
  return now === null || !same(now, origin);
}

/**
 * Removes it, unless it has changed: then it is another photo, and the folder's to take. Look and
 * removal are one step: in libuv's threads another file could take its name for long in between.
 */
function dropOrigin(origin: Origin): void {
  try {
    const now = sightOf(origin.path, lstatSync(origin.path));
    if (same(now, origin)) unlinkSync(origin.path);
  } catch (error) {
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
}

export const same = (a: Origin, b: Origin): boolean =>
  a.ino === b.ino && a.size === b.size && a.mtimeMs === b.mtimeMs;

/** Originals that cannot be deleted; beyond, the first of them may be taken again. */
const MAX_STUCK = 10_000;

/** Originals whose copy is in the spool. Who names one of them again comes too late. */
export class Originals {
  readonly #held = new Map<string, Origin>();
  /** Those whose photo has been dealt with, but that are still there. */
  readonly #stuck = new Set<Origin>();

  /** @returns false where this very file has been taken. */
  claim(origin: Origin): boolean {
    const held = this.#held.get(keyOf(origin));
    if (held !== undefined && same(held, origin)) return false;
    this.hold(origin);
    return true;
  }

  /** In place of what was claimed or held at this path. */
  hold(origin: Origin): void {
    const before = this.#held.get(keyOf(origin));
    if (before !== undefined) this.#stuck.delete(before);
    this.#held.set(keyOf(origin), origin);
  }

  /**
   * Deletes one whose photo has been dealt with. Where that fails it stays held: no second photo.
   * @throws system errors.
   */
  async drop(origin: Origin): Promise<void> {
    try {
      dropOrigin(origin);
    } catch (error) {
      if (this.#held.get(keyOf(origin)) === origin) this.#stuck.add(origin);
      const [first] = this.#stuck;
      if (first !== undefined && this.#stuck.size > MAX_STUCK) this.release(first);
      throw error;
    }
    this.release(origin);
  }

  /** Met again: what could not be deleted before perhaps can be now. */
  async dropStuck(origin: Origin): Promise<void> {
    const held = this.#held.get(keyOf(origin));
    if (held !== undefined && this.#stuck.has(held)) await this.drop(held).catch(() => {});
  }

  /** Does nothing where another file has come to this path since. */
  release(origin: Origin): void {
    this.#stuck.delete(origin);
    if (this.#held.get(keyOf(origin)) === origin) this.#held.delete(keyOf(origin));
  }
}

const keyOf = ({ path }: Origin): string =>
  typeof path === 'string' ? path : `\0${path.toString('latin1')}`;
