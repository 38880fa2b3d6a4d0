import { createHash } from 'node:crypto';
import { lstat, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RetaggerError } from '../../errors.ts';
import { syncFile } from '../../files/durable.ts';
import { ifThere, isDiskTrouble } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import { disk } from '../disk.ts';
import type { HomeDisk } from '../home-disk.ts';
import type { NewPhoto } from '../ports.ts';
import { FileStore } from '../store.ts';
import { moveInto, writeBytes, writeStream } from './body.ts';
import { present } from './origin.ts';
import { Originals } from './originals.ts';
import { type Found, recover } from './recovery.ts';
import { copyAt, type SpoolEntry, uploadAt } from './spool-entry.ts';
import { recordOf } from './spool-record.ts';

const RECORD_BYTES = 64 * 1024;

/**
 * Accepted photos on disk, `<data.dir>/spool`. Per photo a `<key>.json` and its bytes:
 * `<key>.upload` where we wrote them, `<key>.photo` where the user's file was renamed here.
 *
 * The key comes from the photo's id, so the same photo handed in again after a crash is the same
 * entry. Uploads without a `.json` were never accepted and are dropped at start; a `.photo` without
 * one is never deleted, since it may be the user's only copy.
 */
export class Spool {
  readonly dir: string;
  readonly #store: FileStore;
  readonly #maxBytes: number;
  readonly #log: Logger;
  readonly #sizes = new Map<string, number>();
  readonly #originals: Originals;
  #bytes = 0;

  /** @param uploadBytes largest photo in bytes. */
  constructor(home: HomeDisk, uploadBytes: number, log: Logger) {
    this.#store = new FileStore(home, 'spool', { maxEntryBytes: RECORD_BYTES });
    this.dir = this.#store.dir;
    this.#maxBytes = uploadBytes;
    this.#log = log;
    this.#originals = new Originals({
      store: this.#store,
      copyOf: (key) => copyAt(this.dir, key),
      log,
    });
  }

  /** Bytes of all photos in the spool folder. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Name of a photo's entry. A sender's id must not hide another photo: bytes count too, and so do
   * the path and what is known of the file where the id is the sender's. Nor another who asks: that
   * one waits for a reply too (where the photo is a file, it is there for one of them).
   */
  static key({ source, id, body, reply }: NewPhoto): string {
    const hash = createHash('sha256').update(`${source}\0${id}`);
    if ('bytes' in body) {
      hash.update(body.bytes);
      if (reply) hash.update(`\0${reply.topic}\0${reply.correlation ?? ''}`);
    } else if (source === 'mqtt' && !('stream' in body)) {
      hash.update('\0').update('move' in body ? body.move : body.keep);
      hash.update(`\0${body.sight ?? ''}`);
    }
    return hash.digest('hex').slice(0, 32);
  }

  /**
   * Drops what was never accepted and finds what was.
   * @returns accepted photos, oldest first, and what is to be set aside.
   */
  async open(): Promise<Found> {
    const found = await recover({
      store: this.#store,
      originals: this.#originals,
      log: this.#log,
    });
    for (const { key, body, size } of found.entries) if (body !== 'kept') this.#count(key, size);
    return found;
  }

  /**
   * Takes a photo in. A durable one is safe from a power cut when this resolves.
   * @throws RetaggerError `image_too_large` for an upload over the limit (a moved or kept file is
   *   taken whatever its size: the pipeline turns it down and says why), `file_missing`,
   *   `image_unsupported` for a link or pipe in its place, `busy` when the disk fails,
   *   `request_invalid` for an upload that broke off.
   */
  async add(photo: NewPhoto, key: string): Promise<SpoolEntry> {
    try {
      const origin =
        'move' in photo.body ? await this.#originals.claim(photo.body.move, key) : null;
      let entry: SpoolEntry | undefined;
      try {
        entry = await this.#add(photo, key);
      } catch (error) {
        await this.#discard(key, photo);
        throw error;
      } finally {
        if (origin && !entry?.origin) await this.#originals.release(origin, key);
      }
      if (entry.body !== 'kept') this.#count(key, entry.size);
      return entry;
    } catch (error) {
      throw asBusy(error);
    }
  }

  /**
   * Makes an upload durable whose caller has gone without an answer.
   * @throws RetaggerError `busy` where the disk fails.
   */
  async keep(entry: SpoolEntry): Promise<SpoolEntry> {
    try {
      await syncFile(entry.path);
      await this.#store.put(entry.key, recordOf(entry, { body: 'upload' }));
      return { ...entry, durable: true };
    } catch (error) {
      throw asBusy(error);
    }
  }

  /** Forgets a photo that has been dealt with. The user's own file (`kept`) stays. */
  async remove(entry: SpoolEntry): Promise<void> {
    // In this order: while the bytes are here the original may go, and a record without bytes is a
    // finished photo.
    const { key, origin } = entry;
    const isGone = !origin || (await this.#originals.drop(origin, key, entry));
    if (entry.body !== 'kept') await disk.remove(entry.path);
    if (entry.durable && isGone) await this.#store.remove(key);
    this.#bytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }

  async #add(photo: NewPhoto, key: string): Promise<SpoolEntry> {
    const { body, ...rest } = photo;
    const durable = photo.source !== 'http';
    if ('bytes' in body || 'stream' in body) {
      const path = uploadAt(this.dir, key);
      const size = await this.#store.writing(() =>
        'bytes' in body
          ? writeBytes(body.bytes, path, this.#maxBytes, durable)
          : writeStream(body.stream, path, this.#maxBytes, durable),
      );
      if (durable) await this.#store.put(key, recordOf(photo, { body: 'upload' }));
      return { ...rest, key, durable, path, size, body: 'upload', mtimeMs: 0 };
    }
    if ('keep' in body) {
      const now = await present(stat(body.keep));
      const { size, mtimeMs } = body.seen ?? now;
      const path = body.keep;
      const record = recordOf(photo, { body: 'kept', path, size, mtimeMs });
      if (durable) await this.#store.put(key, record);
      return { ...rest, key, durable, path, size, body: 'kept', mtimeMs };
    }
    const path = copyAt(this.dir, key);
    await this.#store.put(key, recordOf(photo, { body: 'moved' }));
    const moved = await present(
      moveInto(body, path, this.#maxBytes, (copied) =>
        this.#store.put(key, recordOf(photo, { body: 'moved', origin: copied })),
      ),
    );
    if (moved.origin) await this.#originals.hold(moved.origin, key);
    if (moved.body === 'kept' && photo.source === 'mqtt') {
      // After a crash the folder meets it again; a sender waits for its answer.
      await this.#store.put(key, recordOf(photo, { ...moved, body: 'kept' }));
    }
    // The folder takes again what a power cut puts back, where it was renamed; a sender has its
    // acknowledgement.
    if (moved.origin || photo.source === 'mqtt') await this.#store.sync();
    return { ...rest, key, durable: true, ...moved };
  }

  /** After a failed `add`: a moved file is tried again, and must be found where it was. */
  async #discard(key: string, { body }: NewPhoto): Promise<void> {
    try {
      if ('move' in body) {
        const copy = copyAt(this.dir, key);
        if ((await ifThere(lstat(copy))) !== null) {
          // Of what is there it is a copy; or another file has come, and this one waits for the restart.
          if ((await ifThere(lstat(body.move))) !== null) return;
          await rename(copy, body.move);
        }
      }
      await disk.remove(uploadAt(this.dir, key));
      await disk.remove(join(this.dir, `${key}.part`));
      await this.#store.remove(key);
    } catch (error) {
      this.#log.warn({ err: error, key }, 'left-overs of a refused photo remain until the restart');
    }
  }

  #count(key: string, size: number): void {
    this.#sizes.set(key, size);
    this.#bytes += size;
  }
}

/** The disk's trouble as our refusal; anything else as it is. */
function asBusy(error: unknown): unknown {
  if (!isDiskTrouble(error)) return error;
  const { message } = error as Error;
  return new RetaggerError('busy', `The photo cannot be stored: ${message}`, { cause: error });
}
