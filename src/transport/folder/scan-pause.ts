import { setTimeout as sleep } from 'node:timers/promises';

/** However often it is cut short, so much of it stays. */
const LEAST_MS = 1000;

/** The pause between two scans of the folder. */
export class ScanPause {
  #wanted = new AbortController();
  readonly #ended = new AbortController();

  /** A scan begins: it sees what any was wanted for until now. */
  scanning(): void {
    this.#wanted = new AbortController();
  }

  /** Resolves when it is over. */
  async begin(ms: number): Promise<void> {
    const least = Math.min(ms, LEAST_MS);
    await sleep(least, undefined, { signal: this.#ended.signal }).catch(() => {});
    if (this.#ended.signal.aborted) return;
    await sleep(ms - least, undefined, { signal: this.#wanted.signal }).catch(() => {});
  }

  /** The next scan is wanted now, or soon after the one that is going on. */
  cut(): void {
    this.#wanted.abort();
  }

  /** No pause from now on. */
  end(): void {
    this.#ended.abort();
    this.cut();
  }
}
