/** Callers that wait for something, each for a bounded time, until all are sent away. */
export class Waits {
  readonly #waiting = new Set<(error: Error) => void>();
  #ended: Error | null = null;

  /**
   * @param ms for how long.
   * @param late what it rejects with after that.
   */
  async within<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let sendAway = (_error: Error) => {};
    const given = new Promise<never>((_, reject) => {
      sendAway = reject;
      timer = setTimeout(() => reject(late()), ms);
      if (this.#ended) reject(this.#ended);
    });
    this.#waiting.add(sendAway);
    try {
      return await Promise.race([work, given]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(sendAway);
    }
  }

  /** Sends away who waits, and who comes later. */
  end(error: Error): void {
    this.#ended = error;
    for (const sendAway of this.#waiting) sendAway(error);
  }
}
