import type { Stats } from 'node:fs';
import { lstat, opendir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, isCode } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import { disk } from '../disk.ts';
import type { Part } from '../ports.ts';
import { ClockJumps } from './clock-jumps.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const EVERY_MS = 60 * 60 * 1000;
const CLOCK_EVERY_MS = 60 * 1000;

export interface Swept {
  files: number;
  bytes: number;
  /** What could not be deleted or looked at. */
  left: number;
}

/**
 * Deletes what was filed `data.keep_days` ago, for a box that nobody clears: in `tagged` and `failed`,
 * every file and every folder that is left empty. Links are deleted, not followed.
 */
export class Retention implements Part {
  readonly #roots: readonly string[];
  readonly #days: number;
  readonly #log: Logger;
  readonly #clock: ClockJumps;
  readonly #stopped = new AbortController();
  #sweeping: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #clockTimer: NodeJS.Timeout | undefined;

  constructor(dataDir: string, days: number, log: Logger) {
    this.#roots = [join(dataDir, 'tagged'), join(dataDir, 'failed')];
    this.#days = days;
    this.#log = log;
    this.#clock = new ClockJumps(join(dataDir, 'clock.json'), this.#days * DAY_MS, log);
  }

  /** Looks at once and every hour. */
  async start(): Promise<void> {
    await this.#clock.load();
    this.#clockTimer = setInterval(() => void this.#clock.look(), CLOCK_EVERY_MS).unref();
    const look = () => {
      this.#sweeping = this.sweep().finally(() => {
        if (!this.#stopped.signal.aborted) this.#timer = setTimeout(look, EVERY_MS).unref();
      });
    };
    look();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    clearInterval(this.#clockTimer);
    await this.#sweeping;
  }

  /** @param now milliseconds of the box's clock. */
  async sweep(now = Date.now()): Promise<Swept> {
    const swept: Swept = { files: 0, bytes: 0, left: 0 };
    await this.#clock.look();
    const before = now - this.#days * DAY_MS;
    for (const root of this.#roots) await this.#sweep(root, before, swept);
    const { files, bytes, left } = swept;
    if (files > 0) this.#log.info({ files, bytes, days: this.#days }, 'old photos deleted');
    if (left > 0) this.#log.warn({ left }, 'old photos could not be deleted');
    return swept;
  }

  async #sweep(folder: string, before: number, swept: Swept): Promise<void> {
    try {
      for await (const entry of await opendir(folder)) {
        if (this.#stopped.signal.aborted) return;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) await this.#sweepFolder(path, before, swept);
        else await this.#delete(path, before, swept);
      }
    } catch (error) {
      if (isCode(error, 'ENOENT')) return;
      swept.left += 1;
      this.#log.debug({ err: error, folder }, 'not looked at');
    }
  }

  async #sweepFolder(path: string, before: number, swept: Swept): Promise<void> {
    // As it is before its files go: a folder that was just made is about to be filled.
    const stats = await ifThere(lstat(path));
    await this.#sweep(path, before, swept);
    if (stats !== null && filedMs(stats) < before) await rmdir(path).catch(() => {});
  }

  async #delete(path: string, before: number, swept: Swept): Promise<void> {
    try {
      const stats = await lstat(path);
      if (this.#clock.countsFrom(filedMs(stats)) >= before || !(await disk.remove(path))) return;
      swept.files += 1;
      swept.bytes += stats.size;
    } catch (error) {
      if (isCode(error, 'ENOENT')) return;
      swept.left += 1;
      this.#log.debug({ err: error, path }, 'not deleted');
    }
  }
}

/**
 * When a file came to its place, in milliseconds: a photo keeps its own `mtime`. FAT and exFAT give that
 * as `ctime` too, but know when a file was made.
 */
export const filedMs = ({ ctimeMs, birthtimeMs }: Pick<Stats, 'ctimeMs' | 'birthtimeMs'>): number =>
  Math.max(ctimeMs, birthtimeMs);
