import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../files/system-errors.ts';

/**
 * `data.dir` and the disk it is on. Where it is unmounted or pulled out under a running daemon, its mount
 * point may stay: an empty folder of another disk, where nothing of ours is missing and none must be made.
 */
export class HomeDisk {
  /** `data.dir` */
  readonly dir: string;
  #dev: number | null = null;

  constructor(dataDir: string) {
    this.dir = dataDir;
  }

  /** The first call says which disk it is. @throws Error ENODEV where it is away; system errors. */
  async check(): Promise<void> {
    const { dev } = await stat(this.dir);
    if (this.#dev !== null && dev !== this.#dev) {
      // It may come back under another number.
      const isBack = (await ifThere(stat(join(this.dir, 'spool')))) !== null;
      if (!isBack) {
        throw Object.assign(new Error('the disk of data.dir is away'), { code: 'ENODEV' });
      }
    }
    this.#dev = dev;
  }
}
