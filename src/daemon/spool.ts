import { createHash } from 'node:crypto';
import { lstat, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { RetaggerError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { moveInto, writeBytes, writeStream } from './body.ts';
import { disk, isCode, isDiskTrouble } from './disk.ts';
import { decodePath, encodePath, type StoredPath } from './paths.ts';
import type { NewPhoto, SpooledPhoto } from './ports.ts';
import { FileStore } from './store.ts';

/** A photo in the spool. */
export interface SpoolEntry extends SpooledPhoto {
  /** Name of its files in the spool folder. */
  readonly key: string;
  /** False for HTTP: its caller waits for the answer and asks again after a crash. */
  readonly durable: boolean;
  /** Whose bytes: written by us, the user's file renamed here, or the user's file in its place. */
  readonly body: Body;
  /** Modification time when it was taken, to see whether a writer was still at it. */
  readonly mtimeMs: number;
}

export type Body = 'upload' | 'moved' | 'kept';

/** `<key>.json`. An entry exists as soon as this file does. */
interface Meta {
  readonly id: string;
  readonly source: NewPhoto['source'];
  readonly file: string | null;
  readonly received_at: string;
  readonly reply?: NewPhoto['reply'];
  /** Where the bytes are: `<key>.upload`, `<key>.photo`, or the user's own file. */
  readonly body: Body;
  readonly path?: StoredPath;
  /** Inode of the file at `path` when it was taken (`moved`). */
  readonly ino?: number;
}

const META_BYTES = 64 * 1024;

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
  #bytes = 0;

  /** @param uploadBytes largest photo in bytes. */
  constructor(dir: string, uploadBytes: number, log: Logger) {
    this.dir = dir;
    this.#store = new FileStore(dir, { maxEntryBytes: META_BYTES });
    this.#maxBytes = uploadBytes;
    this.#log = log;
  }

  /** Bytes of all photos in the spool folder. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Name of a photo's entry. Bytes count too: one sender's id must not hide another's photo. */
  static key(photo: NewPhoto): string {
    const hash = createHash('sha256').update(`${photo.source}\0${photo.id}`);
    if ('bytes' in photo.body) hash.update(photo.body.bytes);
    return hash.digest('hex').slice(0, 32);
  }

  /**
   * Drops what was never accepted and finds what was.
   * @returns accepted photos, oldest first, and `.photo` files without a story.
   */
  async open(): Promise<{ entries: SpoolEntry[]; strays: string[] }> {
    const keys: string[] = [];
    const others: string[] = [];
    await this.#store.open(
      (key) => keys.push(key),
      (name) => others.push(name),
    );
    const entries: SpoolEntry[] = [];
    const used = new Set<string>();
    for (const key of keys) {
      const entry = await this.#recover(key);
      if (entry === null) continue;
      entries.push(entry);
      used.add(entry.path);
    }
    const strays: string[] = [];
    for (const path of others.map((name) => join(this.dir, name))) {
      if (used.has(path)) continue;
      if (path.endsWith('.photo')) strays.push(path);
      else if (/\.(upload|part)$/.test(path)) await disk.remove(path);
    }
    entries.sort((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1));
    return { entries, strays };
  }

  /**
   * Takes a photo in. A durable one is safe from a power cut when this resolves.
   * @throws RetaggerError `image_too_large` for an upload over the limit (a moved or kept file is
   *   taken whatever its size: the pipeline turns it down with a story), `file_missing`, `busy`
   *   when the disk fails, `request_invalid` for an upload that broke off.
   */
  async add(photo: NewPhoto, key: string): Promise<SpoolEntry> {
    try {
      const entry = await this.#add(photo, key);
      if (!entry.kept) {
        this.#sizes.set(key, entry.size);
        this.#bytes += entry.size;
      }
      return entry;
    } catch (error) {
      await this.#discard(key, photo);
      if (error instanceof RetaggerError) throw error;
      if (isDiskTrouble(error)) {
        throw new RetaggerError('busy', `The photo cannot be stored: ${(error as Error).message}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** Forgets a photo that has been dealt with. The user's own file (`kept`) stays. */
  async remove(entry: SpoolEntry): Promise<void> {
    // Bytes before story: a story without bytes is a finished photo, not the other way round.
    if (!entry.kept) await disk.remove(entry.path);
    if (entry.durable) await this.#store.remove(entry.key);
    this.#bytes -= this.#sizes.get(entry.key) ?? 0;
    this.#sizes.delete(entry.key);
  }

  async #add(photo: NewPhoto, key: string): Promise<SpoolEntry> {
    const { body, ...rest } = photo;
    const durable = photo.source !== 'http' || 'move' in body;
    if ('bytes' in body || 'stream' in body) {
      const path = join(this.dir, `${key}.upload`);
      const size =
        'bytes' in body
          ? await writeBytes(body.bytes, path, this.#maxBytes, durable)
          : await writeStream(body.stream, path, this.#maxBytes, durable);
      if (durable) await this.#store.put(key, meta(photo, { body: 'upload' }));
      return { ...rest, key, durable, path, size, kept: false, body: 'upload', mtimeMs: 0 };
    }
    if ('keep' in body) {
      const { size, mtimeMs } = await present(stat(body.keep));
      if (durable) await this.#store.put(key, meta(photo, { body: 'kept', path: body.keep }));
      const path = body.keep;
      return { ...rest, key, durable, path, size, kept: true, body: 'kept', mtimeMs };
    }
    const path = join(this.dir, `${key}.photo`);
    const { ino } = await present(lstat(body.move));
    await this.#store.put(key, meta(photo, { body: 'moved', path: encodePath(body.move), ino }));
    const moved = await present(
      moveInto(body.move, path, this.#maxBytes, () => this.#store.sync()),
    );
    const where: Body = moved.kept ? 'kept' : 'moved';
    return { ...rest, key, durable: true, ...moved, body: where };
  }

  /** After a failed `add`: a moved file may be here already and must not be deleted. */
  async #discard(key: string, photo: NewPhoto): Promise<void> {
    try {
      if ('move' in photo.body && (await exists(join(this.dir, `${key}.photo`)))) return;
      await disk.remove(join(this.dir, `${key}.upload`));
      await disk.remove(join(this.dir, `${key}.part`));
      await this.#store.remove(key);
    } catch (error) {
      this.#log.warn({ err: error, key }, 'left-overs of a refused photo remain until the restart');
    }
  }

  async #recover(key: string): Promise<SpoolEntry | null> {
    let found: Meta | null;
    try {
      found = (await this.#store.get(key)) as Meta | null;
    } catch (error) {
      this.#log.error({ err: error, key }, 'unreadable spool entry');
      return null;
    }
    if (found === null) return null;
    const path = this.#bodyPath(key, found);
    try {
      const { size, mtimeMs, ino } = await stat(path);
      if (found.body === 'moved') await this.#dropCopied(found, ino);
      if (found.body !== 'kept') {
        this.#sizes.set(key, size);
        this.#bytes += size;
      }
      return {
        id: found.id,
        source: found.source,
        file: found.file,
        receivedAt: found.received_at,
        ...(found.reply ? { reply: found.reply } : {}),
        ...{ key, durable: true, path, size, mtimeMs },
        ...{ kept: found.body === 'kept', body: found.body },
      };
    } catch (error) {
      if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      // Filed already, or still in the ingest folder: either way nothing is left to do here.
      await this.#store.remove(key);
      return null;
    }
  }

  #bodyPath(key: string, found: Meta): string {
    if (found.body === 'kept') return String(decodePath(found.path ?? ''));
    return join(this.dir, `${key}.${found.body === 'moved' ? 'photo' : 'upload'}`);
  }

  /** A photo copied from another file system whose original could not be unlinked in time. */
  async #dropCopied(found: Meta, spooled: number): Promise<void> {
    if (found.path === undefined || found.ino === spooled) return;
    const origin = decodePath(found.path);
    const ino = await lstat(origin).then(
      (stats) => stats.ino,
      () => null,
    );
    if (ino === found.ino) await unlink(origin);
  }
}

function meta(photo: NewPhoto, where: Pick<Meta, 'body' | 'path' | 'ino'>): Meta {
  return {
    id: photo.id,
    source: photo.source,
    file: photo.file,
    received_at: photo.receivedAt,
    ...(photo.reply ? { reply: photo.reply } : {}),
    ...where,
  };
}

const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** A file that went away before it was taken is the sender's fault, not the disk's. */
async function present<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) throw new RetaggerError('file_missing');
    throw error;
  }
}
