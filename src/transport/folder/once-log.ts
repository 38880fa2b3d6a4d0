import type { Logger } from '../../log.ts';

const REMEMBERED = 1000;

/** Says a thing about a file once, however often a scan meets it. */
export class OnceLog {
  readonly #log: Logger;
  readonly #said = new Set<string>();
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
    this.#last = this.#thisRound;
    this.#thisRound = null;
  }

  warn(key: string, about: { file: string; err?: unknown }, message: string): void {
    this.#thisRound = `${about.file}: ${message}`;
    if (this.#said.has(key)) return;
    if (this.#said.size >= REMEMBERED) this.#said.clear();
    this.#said.add(key);
    this.#log.warn(about, message);
  }
}
