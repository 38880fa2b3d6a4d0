/** Keys in order: the smallest leaves first. */
export class Lane {
  #keys: string[];
  /** Where the next one is; shifting an array of thousands each time would cost. */
  #next = 0;

  /** @param keys in any order, each once. */
  constructor(keys: readonly string[] = []) {
    this.#keys = keys.toSorted();
  }

  get length(): number {
    return this.#keys.length - this.#next;
  }

  keys(): readonly string[] {
    return this.#keys.slice(this.#next);
  }

  insert(key: string): void {
    this.#keys.splice(this.#place(key), 0, key);
  }

  /** @returns whether it was there. */
  delete(key: string): boolean {
    const place = this.#place(key);
    if (this.#keys[place] !== key) return false;
    this.#keys.splice(place, 1);
    return true;
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

  /** Of the first that is not smaller. */
  #place(key: string): number {
    let [from, to] = [this.#next, this.#keys.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#keys[middle] as string) < key) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
