import { constants } from 'node:fs';
import { access, mkdir, realpath, stat } from 'node:fs/promises';
import type { Logger } from '../../log.ts';

const { R_OK, W_OK, X_OK } = constants;

/** The watch folder itself: it may be gone, be another one since, or not be ours to move files out of. */
export class Root {
  readonly dir: string;
  /** The same in bytes, as paths below it are. */
  readonly path: Buffer;
  readonly #mode: number;
  readonly #log: Logger;
  #fault: string | null = 'not started';
  /** Empty where it cannot be used. */
  #identity = '';

  /** @param keep photos stay, so it need not be writable. */
  constructor(dir: string, keep: boolean, log: Logger) {
    this.dir = dir;
    this.path = Buffer.from(dir);
    this.#mode = keep ? R_OK | X_OK : R_OK | W_OK | X_OK;
    this.#log = log;
  }

  /** Why it cannot be used; null where it can. */
  get fault(): string | null {
    return this.#fault;
  }

  /** @param path of something in it. @returns the same, from it on. */
  below(path: Buffer): Buffer {
    return path.subarray(this.path.length + 1);
  }

  /**
   * Whether a link stands where a folder of the way to a file was. A user with rights in here could
   * put one there while the file settles, and have us move files out of folders that are not theirs.
   * @param path of a file in it. @throws system errors, of a folder that has gone too.
   */
  async isPastLink(path: Buffer): Promise<boolean> {
    const folder = path.subarray(0, path.lastIndexOf('/'));
    if (folder.length <= this.path.length) return false;
    const [root, real] = await Promise.all([realOf(this.path), realOf(folder)]);
    return !real.equals(Buffer.concat([root, folder.subarray(this.path.length)]));
  }

  /** @returns "new" where it is another folder than at the last look, or could not be used then. */
  async look(): Promise<'same' | 'new' | 'lost'> {
    const [fault, identity] = [this.#fault, this.#identity];
    try {
      this.#identity = await this.#use();
      this.#fault = null;
    } catch (error) {
      this.#identity = '';
      this.#fault = `${this.dir}: ${(error as Error).message}`;
    }
    this.#tell(fault);
    if (this.#fault !== null) return 'lost';
    return this.#identity === identity ? 'same' : 'new';
  }

  /** @returns what tells it from another folder. @throws Error where it cannot be used. */
  async #use(): Promise<string> {
    const found = await stat(this.dir).catch(async (error) => {
      // One that was deleted is made anew, but not below a disk that is not mounted.
      await mkdir(this.dir).catch(() => Promise.reject(error));
      return stat(this.dir);
    });
    if (!found.isDirectory()) throw new Error('not a folder');
    await access(this.dir, this.#mode);
    return `${found.dev}:${found.ino}`;
  }

  #tell(before: string | null): void {
    if (this.#fault === before) return;
    if (this.#fault !== null) {
      this.#log.error({ reason: this.#fault }, 'the watch folder cannot be used; looking again');
    } else if (before !== 'not started') {
      this.#log.info({ folder: this.dir }, 'the watch folder is back');
    }
  }
}

const realOf = (path: Buffer): Promise<Buffer> => realpath(path, { encoding: 'buffer' });
