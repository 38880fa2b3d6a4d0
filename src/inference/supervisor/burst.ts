/** Two inferences at once pay for what it takes to begin when there were many photos for so long. */
const BEGIN_MS = 1000;
/** Few photos for longer than this start the count anew; for less is between one photo and the next. */
const GAP_MS = 250;
/** One is enough again when there were few for so long. */
const END_MS = 2000;

export interface BurstEvents {
  /** Comes again and again until it is followed. */
  begin(): void;
  end(): void;
}

/**
 * Tells when more photos come than one inference at once does well, and when that is over. One with
 * all threads answers a lone photo soonest. Two with half the threads each do a tenth to a half more a
 * second: the threads of one inference wait for each other at every layer, and for the core that a
 * decoder has taken; those of two do not.
 */
export class Burst {
  readonly #events: BurstEvents;
  #manySince = 0;
  /** Undefined while there are many. */
  #fewSince: number | undefined = Number.NEGATIVE_INFINITY;
  #end: NodeJS.Timeout | undefined;

  constructor(events: BurstEvents) {
    this.#events = events;
  }

  /**
   * Call whenever a photo has come or gone.
   * @param many there are more photos than one inference at once does well.
   */
  look(many: boolean, now = performance.now()): void {
    if (!many) {
      this.#fewSince ??= now;
      this.#end ??= setTimeout(() => this.#events.end(), END_MS).unref();
      return;
    }
    if (this.#fewSince !== undefined && now - this.#fewSince > GAP_MS) this.#manySince = now;
    this.#fewSince = undefined;
    this.stop();
    if (now - this.#manySince >= BEGIN_MS) this.#events.begin();
  }

  stop(): void {
    clearTimeout(this.#end);
    this.#end = undefined;
  }
}
