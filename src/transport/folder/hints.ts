/** Paths waiting for a look; more than these are left to the next scan. */
const MAX_WAITING = 10_000;
/** Looks at once. */
const AT_ONCE = 4;

/** Paths to look at, each at most once in the queue, a few at a time. */
export class HintQueue {
  readonly #look: (path: Buffer) => Promise<void>;
  readonly #waiting = new Map<string, Buffer>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  /** @param look must not reject. */
  constructor(look: (path: Buffer) => Promise<void>) {
    this.#look = look;
  }

  /** @returns false where there is no room. */
  push(key: string, path: Buffer): boolean {
    if (this.#stopped || this.#waiting.has(key)) return true;
    if (this.#waiting.size >= MAX_WAITING) return false;
    this.#waiting.set(key, path);
    this.#pump();
    return true;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  #pump(): void {
    for (const [key, path] of this.#waiting) {
      if (this.#running.size >= AT_ONCE) return;
      this.#waiting.delete(key);
      const run = this.#look(path).finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
      this.#running.add(run);
    }
  }
}
