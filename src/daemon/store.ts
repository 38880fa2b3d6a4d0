import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeOwnFolder } from '../files/own-folder.ts';
import { readSmallFile } from '../files/small-file.ts';
import { isCode } from '../files/system-errors.ts';
import { type Disk, disk } from './disk.ts';
import type { HomeDisk } from './home-disk.ts';
import { SharedRun } from './shared-run.ts';

/** Suffix of an entry's file. */
const SUFFIX = '.json';
/** Files that were being written; what is left of them at start is torn and dropped. */
const TEMPORARY = '.tmp';
/** Keys are file names: nothing that could leave the folder or look like a temporary file. */
const KEY = /^[A-Za-z0-9_-]{1,200}$/;

export interface StoreOptions {
  /** Bytes of one entry; with the owner's bound on entries this bounds the bytes on disk. */
  readonly maxEntryBytes: number;
  readonly disk?: Disk;
}

/**
 * A crash-safe map from key to a small file in one folder: `<key>.json`, readable with ordinary
 * tools. An entry is whole or absent at any moment, also after a power cut: it is written beside
 * its place, synced, renamed, and the folder synced. Spool and outbox are built on it.
 */
export class FileStore {
  readonly dir: string;
  readonly #maxEntryBytes: number;
  readonly #disk: Disk;
  readonly #dirSync: SharedRun;
  readonly #home: HomeDisk;
  #temporary = 0;

  /** @param name of the folder, which is in `data.dir`. */
  constructor(home: HomeDisk, name: string, options: StoreOptions) {
    this.dir = join(home.dir, name);
    this.#maxEntryBytes = options.maxEntryBytes;
    this.#disk = options.disk ?? disk;
    this.#dirSync = new SharedRun(() => this.#disk.syncDir(this.dir));
    this.#home = home;
  }

  /**
   * Creates the folder, drops torn files and tells of every other file in it; folders are passed over.
   * @param onKey called once per entry, in no order.
   * @param onOther called for files that are not entries (full file name).
   */
  async open(
    onKey: (key: string) => void,
    onOther: (name: string) => void = () => {},
  ): Promise<void> {
    await makeOwnFolder(this.dir);
    await this.#home.check();
    for await (const entry of await opendir(this.dir, { bufferSize: 256 })) {
      // We make no folders in here: it is somebody's own, whatever it is called. To remove it as a torn
      // file, or read it as an entry, fails at every start.
      if (entry.isDirectory()) continue;
      const { name } = entry;
      const key = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : '';
      if (name.endsWith(TEMPORARY)) await this.#disk.remove(join(this.dir, name));
      else if (KEY.test(key)) onKey(key);
      else onOther(name);
    }
  }

  /**
   * Adds or replaces an entry; durable when this resolves. When it rejects, the old or the new
   * entry is there, never a torn one.
   * @throws RangeError for an entry over `maxEntryBytes` or a key that is no file name; system
   *   errors of the disk.
   */
  async put(key: string, value: unknown): Promise<void> {
    if (!KEY.test(key)) throw new RangeError(`"${key}" is not a key`);
    const data = Buffer.from(JSON.stringify(value));
    if (data.byteLength > this.#maxEntryBytes) {
      throw new RangeError(`entry ${key} has ${data.byteLength} bytes, over the limit`);
    }
    const temporary = join(this.dir, `${key}.${this.#temporary++}${TEMPORARY}`);
    try {
      await this.writing(() => this.#disk.write(temporary, data));
      await this.#disk.rename(temporary, this.#path(key));
    } catch (error) {
      await this.#disk.remove(temporary).catch(() => {});
      throw error;
    }
    await this.#dirSync.run();
  }

  /**
   * @returns null for an entry that is not there.
   * @throws SyntaxError where it is no JSON, null, over `maxEntryBytes` or no regular file.
   */
  async get(key: string): Promise<unknown> {
    try {
      const value: unknown = JSON.parse(await readSmallFile(this.#path(key), this.#maxEntryBytes));
      if (value === null) throw new SyntaxError('it says nothing');
      return value;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
    await this.#home.check();
    return null;
  }

  /**
   * Not synced: after a power cut the entry may be back, which at-least-once delivery allows.
   * @returns false where it was gone already.
   */
  async remove(key: string): Promise<boolean> {
    const isRemoved = await this.#disk.remove(this.#path(key));
    if (!isRemoved) await this.#home.check();
    return isRemoved;
  }

  /** Takes an unreadable entry out of the way without destroying it: `<key>.bad`. */
  async setAside(key: string): Promise<void> {
    await this.#disk.rename(this.#path(key), join(this.dir, `${key}.bad`));
  }

  /** Writes a file into the folder; somebody may have removed that under a running daemon. */
  async writing<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
      await this.#home.check();
      await makeOwnFolder(this.dir);
      return write();
    }
  }

  /** Makes renames and removals done in the folder so far durable. */
  sync(): Promise<void> {
    return this.#dirSync.run();
  }

  #path(key: string): string {
    return join(this.dir, `${key}${SUFFIX}`);
  }
}
