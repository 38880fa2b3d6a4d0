import { stat } from 'node:fs/promises';
import { RetaggerError } from '../../errors.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { ifThere } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import { type AnyPath, printable } from '../paths.ts';
import type { NewPhoto } from '../ports.ts';
import type { FileStore } from '../store.ts';
import { mayTake } from './may-take.ts';
import { dropIfSame, isStill, lookAt, type Origin, present, whatIsThere } from './origin.ts';
import { originOf, recordOf, type SpoolRecord } from './spool-record.ts';

/** Originals that cannot be deleted; then no more are taken from other disks. */
const MAX_STUCK = 10_000;

export interface OriginalsParts {
  /** The spool's records. */
  readonly store: FileStore;
  /** Where in the spool the copy for a key is, or will be. */
  readonly copyOf: (key: string) => string;
  readonly log: Logger;
  readonly maxStuck?: number;
}

/** An original that is being taken, that was taken, or that was filed and cannot be deleted. */
interface Known {
  origin: Origin;
  /** Of its photo in the spool. */
  readonly key: string;
  /** Of the bytes that were taken. */
  readonly sha256: () => Promise<string>;
}

/**
 * Users' files whose photo is, or was, in the spool: who names one of them again comes too late.
 * One that cannot be deleted when its photo has been filed is remembered for as long as it is what
 * it was, with a record in the spool, so that it is no second photo after a restart either.
 */
export class Originals {
  readonly #parts: OriginalsParts;
  readonly #known = new Map<string, Known>();
  /** Those whose photo has been filed, but that are still there; the oldest first. */
  readonly #stuck = new Set<Known>();

  constructor(parts: OriginalsParts) {
    this.#parts = parts;
  }

  /** How many could not be deleted. */
  get stuck(): number {
    return this.#stuck.size;
  }

  /**
   * @returns the file, which is the caller's until `release` or `drop`.
   * @throws RetaggerError `file_missing` where it is gone, its folder is read-only, or this very
   *   file has been taken: could it not be deleted then, it is now, if possible. System errors.
   */
  async claim(file: AnyPath, key: string): Promise<Origin> {
    const origin = await present(lookAt(file));
    await present(mayTake(file));
    const known = this.#known.get(nameOf(file));
    if (known !== undefined && (await present(isStill(origin, known.origin, known.sha256)))) {
      known.origin = origin;
      if (this.#stuck.has(known)) await this.#delete(known).catch(() => {});
      throw new RetaggerError('file_missing');
    }
    const { maxStuck = MAX_STUCK } = this.#parts;
    if (this.#stuck.size >= maxStuck && (await this.#isElsewhere(origin))) {
      const cause = new Error(`${maxStuck} files that have been tagged cannot be deleted`);
      throw new RetaggerError('file_missing', `${printable(file)}: ${cause.message}`, { cause });
    }
    // Somebody else was quicker.
    if (this.#known.get(nameOf(file)) !== known) throw new RetaggerError('file_missing');
    await this.hold(origin, key);
    return origin;
  }

  /** In place of what was known of this path. */
  async hold(origin: Origin, key: string): Promise<void> {
    const sha256 = () => sha256OfFile(this.#parts.copyOf(key));
    await this.#keep({ origin, key, sha256 });
  }

  /** Does nothing where another file has come to this path since. */
  async release({ path }: Origin, key: string): Promise<void> {
    const known = this.#known.get(nameOf(path));
    if (known?.key === key) await this.#leave(known);
  }

  /**
   * Deletes one whose photo has been dealt with, unless it has changed since. One that cannot be
   * deleted holds up nobody.
   * @returns false where it is still there, and the photo's record tells of it.
   */
  async drop(origin: Origin, key: string, photo: Omit<NewPhoto, 'body'>): Promise<boolean> {
    const known = this.#known.get(nameOf(origin.path));
    if (known?.key !== key) return true;
    try {
      await this.#delete(known);
      return true;
    } catch (error) {
      const { id } = photo;
      const file = printable(origin.path);
      this.#parts.log.warn(
        { err: error, id, file },
        'a photo has been filed, but its original stays',
      );
    }
    const sha256 = await ifThere(known.sha256());
    // Without its copy nothing can be said of it later; until the restart it stays known.
    if (sha256 === null) return true;
    const record = recordOf(photo, { body: 'moved', origin: known.origin, filedSha256: sha256 });
    await this.#parts.store.put(key, record);
    // Another file has come there meanwhile.
    if (this.#known.get(nameOf(origin.path)) !== known) return true;
    await this.#stick(known.origin, key, sha256);
    return false;
  }

  /** At the start: one that could not be deleted before. */
  async recover(key: string, record: SpoolRecord, sha256: string): Promise<void> {
    const origin = originOf(record);
    const now = origin && (await whatIsThere(origin).catch(() => origin));
    // One that cannot be read now may be the same.
    const isSame = now && (await isStill(now, origin, async () => sha256).catch(() => true));
    if (!isSame) await this.#parts.store.remove(key);
    else await this.#delete(await this.#stick(now, key, sha256)).catch(() => {});
  }

  /** @throws system errors; it is known then as before. */
  async #delete(known: Known): Promise<void> {
    const other = dropIfSame(known.origin);
    if (other === null) await whatIsThere(known.origin);
    else if (other !== 'removed' && (await isStill(other, known.origin, known.sha256))) {
      dropIfSame(other);
    }
    await this.#leave(known);
  }

  async #isElsewhere(origin: Origin): Promise<boolean> {
    return (await stat(this.#parts.store.dir)).dev !== origin.dev;
  }

  async #stick(origin: Origin, key: string, sha256: string): Promise<Known> {
    const known = { origin, key, sha256: async () => sha256 };
    await this.#keep(known);
    this.#stuck.add(known);
    return known;
  }

  async #keep(known: Known): Promise<void> {
    const name = nameOf(known.origin.path);
    const before = this.#known.get(name);
    this.#known.set(name, known);
    // The record of the same photo is not removed but written anew.
    if (before?.key === known.key) this.#stuck.delete(before);
    else if (before !== undefined) await this.#leave(before);
  }

  async #leave(known: Known): Promise<void> {
    const name = nameOf(known.origin.path);
    if (this.#known.get(name) === known) this.#known.delete(name);
    if (this.#stuck.delete(known)) await this.#parts.store.remove(known.key).catch(() => {});
  }
}

const nameOf = (path: AnyPath): string =>
  typeof path === 'string' ? path : `\0${path.toString('latin1')}`;
