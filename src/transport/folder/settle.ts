/** What tells one state of a file from another. */
export interface Sight {
  readonly size: number;
  /** Milliseconds since 1970 by the file system's clock. */
  readonly mtimeMs: number;
  readonly ino: number;
  /** When it was made, milliseconds since 1970; 0 where the file system does not know. */
  readonly birthtimeMs: number;
}

interface Watched extends Sight {
  /** `performance.now()` of the first look at which it was as it is. */
  readonly since: number;
}

/** An empty file is waited for so many times longer: many programs create first and write later. */
const EMPTY = 10;
/** Looks per settle time, so that a file is taken soon after it has settled. */
const LOOKS = 3;
const LEAST_WAIT_MS = 20;

/**
 * Decides when a file has stopped changing. One whose modification is already older than the settle
 * time at first sight was moved in and is whole, unless it was only just made: programs that copy set
 * the original's time, and some look afterwards whether all is there. Any other must look the same for
 * the settle time by our own monotonic clock, so that a wrong clock on either side does no harm.
 */
export class Settle {
  readonly #settleMs: number;
  readonly #limit: number;
  readonly #files = new Map<string, Watched>();

  /** @param limit files watched at once; the rest waits for the next scan. */
  constructor(settleMs: number, limit: number) {
    this.#settleMs = settleMs;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#files.size >= this.#limit;
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /**
   * @param now wall clock, milliseconds since 1970. @param ticks `performance.now()`.
   * @returns 0 when the file may be taken, else how many milliseconds to wait for the next look.
   */
  look(path: string, sight: Sight, now = Date.now(), ticks = performance.now()): number {
    const needed = sight.size === 0 ? EMPTY * this.#settleMs : this.#settleMs;
    const before = this.#files.get(path);
    const age = now - Math.max(sight.mtimeMs, sight.birthtimeMs);
    if (before === undefined && sight.size > 0 && age >= this.#settleMs) return 0;
    const same =
      before !== undefined &&
      before.size === sight.size &&
      before.mtimeMs === sight.mtimeMs &&
      before.ino === sight.ino;
    const since = same ? before.since : ticks;
    const left = needed - (ticks - since);
    if (left <= 0) {
      this.#files.delete(path);
      return 0;
    }
    this.#files.set(path, { ...sight, since });
    return Math.max(LEAST_WAIT_MS, Math.min(left, this.#settleMs / LOOKS));
  }

  forget(path: string): void {
    this.#files.delete(path);
  }
}
