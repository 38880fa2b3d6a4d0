import type { Logger } from '../../log.ts';

const REMEMBERED = 1000;

/** Says a thing about a file once, however often a scan meets it. */
export class OnceLog {
  readonly #log: Logger;
  /** What was said → the last round in which it was so. */
  readonly #said = new Map<string, number>();
  #round = 0;
  #last: string | null = null;
  #thisRound: string | null = null;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The last thing said in this round or the one before, for `/readyz`. */
  get last(): string | null {
    return this.#thisRound ?? this.#last;
  }

  beginRound(): void {
    this.#round += 1;
    this.#last = this.#thisRound;
    this.#thisRound = null;
  }

  /** @param key the same for what is the same thing to say. */
  warn(key: string, about: { file: string; err?: unknown }, message: string): void {
    this.#thisRound = `${about.file}: ${message}`;
    const isNew = !this.#said.has(key);
    if (isNew && this.#said.size >= REMEMBERED) this.#forget();
    // Of more than can be remembered the rest would be said anew in every round.
    if (isNew && this.#said.size >= REMEMBERED) return;
    this.#said.set(key, this.#round);
    if (isNew) this.#log.warn(about, message);
  }

  /** What has not been so for a round. */
  #forget(): void {
    for (const [key, round] of this.#said) if (round < this.#round - 1) this.#said.delete(key);
  }
}
