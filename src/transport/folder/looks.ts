/** Paths that wait for their turn; more than these are left to the next scan. */
const MAX_WAITING = 10_000;
/** Looks at once, besides those of scans. */
const AT_ONCE = 4;
/** Until what changed while it was looked at is looked at again. */
const SOON_MS = 20;

export interface Looker {
  /**
   * Decides about a path. @param key the path in latin1: one character a byte.
   * @returns milliseconds until it should be looked at again; 0 when it is dealt with.
   */
  consider(path: Buffer, key: string): Promise<number>;
  /** `consider` rejected; not told once stopped. */
  trouble(path: Buffer, key: string, error: unknown): void;
  /** There were more hints than are kept: a scan must find the rest. */
  overflow(): void;
}

/** Looks at paths: one look at a time for each, and another where it changed meanwhile or has to wait. */
export class Looks {
  readonly #looker: Looker;
  /** What was hinted at, or is due again, in its order. */
  readonly #waiting = new Map<string, Buffer>();
  /** The looks at what has waited. */
  readonly #running = new Set<Promise<void>>();
  readonly #looking = new Set<string>();
  /** Those of them of which there was a hint meanwhile. */
  readonly #changed = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #stopped = false;

  constructor(looker: Looker) {
    this.#looker = looker;
  }

  /** Something may have changed there. */
  hint(path: Buffer): void {
    const key = path.toString('latin1');
    if (this.#looking.has(key)) this.#changed.add(key);
    // Else its next look is due anyway.
    else if (!this.#timers.has(key)) this.#queue(path, key);
  }

  /** Resolves when it has been looked at. Never rejects: what goes wrong there is its own affair. */
  async look(path: Buffer): Promise<void> {
    const key = path.toString('latin1');
    if (this.#looking.has(key) || this.#timers.has(key) || this.#stopped) return;
    this.#looking.add(key);
    try {
      const waitMs = await this.#looker.consider(path, key);
      if (waitMs > 0) this.#again(path, key, waitMs);
    } catch (error) {
      if (!this.#stopped) this.#looker.trouble(path, key, error);
    } finally {
      this.#looking.delete(key);
      if (this.#changed.delete(key)) this.#again(path, key, SOON_MS);
    }
  }

  /** Resolves when the looks that had begun by a hint are over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #again(path: Buffer, key: string, waitMs: number): void {
    if (this.#stopped || this.#timers.has(key)) return;
    this.#timers.set(
      key,
      setTimeout(() => {
        this.#timers.delete(key);
        this.#queue(path, key);
      }, waitMs),
    );
  }

  #queue(path: Buffer, key: string): void {
    if (this.#stopped || this.#waiting.has(key)) return;
    if (this.#waiting.size >= MAX_WAITING) {
      this.#looker.overflow();
      return;
    }
    this.#waiting.set(key, path);
    this.#lookAtNext();
  }

  #lookAtNext(): void {
    for (const [key, path] of this.#waiting) {
      if (this.#running.size >= AT_ONCE) return;
      this.#waiting.delete(key);
      const run = this.look(path).finally(() => {
        this.#running.delete(run);
        this.#lookAtNext();
      });
      this.#running.add(run);
    }
  }
}
