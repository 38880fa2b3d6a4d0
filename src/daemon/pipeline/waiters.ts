/** How often conditions are looked at that nobody reports (disk, outbox). */
const EVERY_MS = 250;

interface Waiter {
  readonly ready: () => boolean;
  readonly resolve: () => void;
}

/** Callers waiting for a condition, woken by events and now and then by the clock. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  #timer: NodeJS.Timeout | null = null;

  /** Resolves when `ready()` is true; rejects with the signal's reason. */
  until(ready: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (ready()) return resolve();
      const abort = () => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        ready,
        resolve: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.add(waiter);
      this.#timer ??= setInterval(() => this.wake(), EVERY_MS);
    });
  }

  /** Looks at every condition now. */
  wake(): void {
    for (const waiter of this.#waiting) {
      if (!waiter.ready()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
    if (this.#waiting.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
