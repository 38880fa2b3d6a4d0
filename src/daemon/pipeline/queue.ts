import type { Source } from '../../result.ts';

/** Who goes first. An HTTP caller waits, an MQTT sender may, the folder does not. */
const ORDER: readonly Source[] = ['http', 'mqtt', 'folder'];
/** Every so many turns the one that waits longest goes first, whatever its source. */
const FAIR_TURN = 8;

interface Waiting<T> {
  readonly item: T;
  readonly number: number;
}

/** First in, first out per source; sources by priority, with a fair turn so that none starves. */
export class PriorityQueue<T> {
  readonly #lines: Record<Source, Waiting<T>[]> = { http: [], mqtt: [], folder: [] };
  #added = 0;
  #turns = 0;

  push(source: Source, item: T): void {
    this.#lines[source].push({ item, number: this.#added++ });
  }

  /** @param only takes from this source alone. */
  shift(only?: Source): T | undefined {
    const heads = ORDER.filter(
      (source) => this.#lines[source].length > 0 && (only ?? source) === source,
    );
    if (heads.length === 0) return undefined;
    this.#turns = heads.length > 1 ? this.#turns + 1 : 0;
    if (this.#turns >= FAIR_TURN) {
      this.#turns = 0;
      heads.sort((a, b) => this.#head(a) - this.#head(b));
    }
    return this.#lines[heads[0] as Source].shift()?.item;
  }

  #head(source: Source): number {
    return this.#lines[source][0]?.number ?? Number.POSITIVE_INFINITY;
  }
}
