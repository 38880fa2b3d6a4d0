import { rename, unlink, writeFile } from 'node:fs/promises';
import { syncFolder } from '../durable.ts';
import { isCode } from '../system-errors.ts';

/**
 * The few disk operations that durability rests on, behind an interface so that the store's tests
 * can cut the power between any two of them.
 */
export interface Disk {
  /** Creates or replaces a file; its bytes (not yet its name) are durable when this resolves. */
  write(path: string, data: string | Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** @returns false where the file was gone already. */
  remove(path: string): Promise<boolean>;
  /** Makes the names in a folder durable. */
  syncDir(path: string): Promise<void>;
}

/** The real disk. */
export const disk: Disk = {
  write: (path, data) => writeFile(path, data, { mode: 0o640, flush: true }),
  rename,
  async remove(path) {
    try {
      await unlink(path);
      return true;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
      return false;
    }
  },
  syncDir: syncFolder,
};

/**
 * Syncs one folder for many callers: who asks while a sync runs shares the next one, so that a
 * burst of N files costs two syncs instead of N.
 */
export class DirSync {
  readonly #path: string;
  readonly #disk: Disk;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(path: string, on: Disk = disk) {
    this.#path = path;
    this.#disk = on;
  }

  /** Resolves when everything done in the folder before the call is durable. */
  sync(): Promise<void> {
    if (this.#running === null) return this.#start();
    // The running one may have begun before the caller's change: it does not count.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const run = this.#disk.syncDir(this.#path).finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }
}
