/**
 * Does the same work for many callers: who asks while it runs shares the next run, so that a burst
 * of N costs two runs instead of N.
 */
export class SharedRun {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves after a run that has begun after the call. */
  run(): Promise<void> {
    if (this.#running === null) return this.#start();
    // The running one may be past what the caller has done: it does not count.
    this.#next ??= this.#running
      .catch(() => {})
      .then(() => {
        this.#next = null;
        return this.#start();
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const run = this.#work().finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }
}
