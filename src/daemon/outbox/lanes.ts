/** The `limit` smallest of many strings, in bounded memory. */
export class Smallest {
  readonly #limit: number;
  #kept: string[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(value: string): void {
    this.#kept.push(value);
    if (this.#kept.length >= 2 * this.#limit) this.#cut();
  }

  /** Ascending. */
  sorted(): string[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    this.#kept.sort();
    this.#kept.length = Math.min(this.#kept.length, this.#limit);
  }
}

/** A queue of sorted keys: the smallest leaves first. */
export class Lane {
  #keys: string[];
  /** Where the next one is; shifting an array of thousands each time would cost. */
  #next = 0;

  /** @param keys ascending. */
  constructor(keys: string[] = []) {
    this.#keys = keys;
  }

  get length(): number {
    return this.#keys.length - this.#next;
  }

  /** Cheap for keys that come nearly in order. */
  insert(key: string): void {
    let at = this.#keys.length;
    while (at > this.#next && (this.#keys[at - 1] as string) > key) at -= 1;
    this.#keys.splice(at, 0, key);
  }

  shift(): string | undefined {
    const key = this.#keys[this.#next];
    if (key === undefined) return undefined;
    this.#next += 1;
    if (this.#next > 1024 && this.#next * 2 > this.#keys.length) {
      this.#keys = this.#keys.slice(this.#next);
      this.#next = 0;
    }
    return key;
  }
}
