export interface BackoffOptions {
  /** Milliseconds before the first retry. */
  readonly first: number;
  /** Longest wait in milliseconds. */
  readonly longest: number;
}

/** Doubling waits with jitter, so that a fleet does not come back in step after an outage. */
export class Backoff {
  readonly #options: BackoffOptions;
  #next: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#next = options.first;
  }

  /** @returns milliseconds to wait: the step, less up to half of it. */
  next(): number {
    const step = this.#next;
    this.#next = Math.min(step * 2, this.#options.longest);
    return step * (1 - Math.random() / 2);
  }

  reset(): void {
    this.#next = this.#options.first;
  }
}
