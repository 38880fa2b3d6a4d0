import { readFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { isCode } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import { disk } from '../disk.ts';

const HOUR_MS = 60 * 60 * 1000;

/**
 * From when photos count where the clock jumps further than they are kept. A box without a battery clock
 * begins in 1970, or where it was shut down, and is set right once it has a network: what it filed a
 * minute before that looks years old. So all that had been filed by then counts from the jump; a file
 * tells of it at the next start. Times are milliseconds since 1970 by the box's clock.
 */
export class ClockJumps {
  readonly #path: string;
  readonly #farMs: number;
  readonly #log: Logger;
  /** What the clock says, less what has passed since the box was switched on. */
  #bootedAt: number;
  #jumpedAt = 0;

  /**
   * @param path of the file. @param farMs a jump of less is none.
   * @param up milliseconds since the box was switched on, standby included: no clock's setting changes it.
   */
  constructor(path: string, farMs: number, log: Logger, now = Date.now(), up = upMs()) {
    this.#path = path;
    this.#farMs = farMs;
    this.#log = log;
    this.#bootedAt = now - up;
  }

  /** What earlier runs knew. A file that says nothing of use is as none. */
  async load(): Promise<void> {
    try {
      const { jumpedAt } = Object(JSON.parse(await readFile(this.#path, 'utf8')));
      this.#jumpedAt = Date.parse(jumpedAt) || 0;
    } catch (error) {
      if (!isCode(error, 'ENOENT'))
        this.#log.warn({ err: error }, 'not known when the clock was set');
    }
  }

  /** Looks whether it has jumped since the last look; call it now and then. */
  async look(now = Date.now(), up = upMs()): Promise<void> {
    const jumpMs = now - up - this.#bootedAt;
    this.#bootedAt = now - up;
    const isFar = jumpMs >= this.#farMs;
    if (isFar) this.#log.warn({ hours: Math.round(jumpMs / HOUR_MS) }, 'the clock has been set');
    // It was ahead then, and has been set back since.
    if (isFar || this.#jumpedAt > now) await this.#jumped(now);
  }

  /** @param filedMs by the clock of then. */
  countsFrom(filedMs: number): number {
    return Math.max(filedMs, this.#jumpedAt);
  }

  async #jumped(now: number): Promise<void> {
    this.#jumpedAt = now;
    try {
      const draft = `${this.#path}.tmp`;
      await disk.write(draft, JSON.stringify({ jumpedAt: new Date(now).toISOString() }));
      await disk.rename(draft, this.#path);
    } catch (error) {
      this.#log.warn({ err: error }, 'that the clock was set is only known until the next start');
    }
  }
}

const upMs = (): number => uptime() * 1000;
