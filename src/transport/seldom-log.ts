import type { Logger } from '../log.ts';

/** Milliseconds between two lines about the same thing. */
const EVERY_MS = 60_000;

/** Says what others can cause as often as they like: at once, then once a minute, with how often. */
export class SeldomLog {
  readonly #log: Logger;
  /** Message → when it was said last, and how often it was not said since. */
  readonly #said = new Map<string, { at: number; unsaid: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param message one of few: each is remembered. */
  warn(about: object, message: string): void {
    const now = performance.now();
    const last = this.#said.get(message);
    if (last !== undefined && now - last.at < EVERY_MS) {
      last.unsaid += 1;
      return;
    }
    this.#said.set(message, { at: now, unsaid: 0 });
    const unsaid = last?.unsaid ?? 0;
    this.#log.warn(unsaid === 0 ? about : { ...about, unsaid }, message);
  }
}
