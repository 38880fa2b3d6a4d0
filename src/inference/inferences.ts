import type { Engine } from './engine.ts';

/** An engine and the photos that wait for it. */
export class Inferences {
  readonly #engine: Engine;
  readonly #asked = new Set<Promise<unknown>>();
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#free = engine.atOnce;
  }

  get engine(): Engine['name'] {
    return this.#engine.name;
  }

  /** In the order of asking. @returns the logits, and the ms that they took without the wait. */
  async infer(pixels: Uint8Array): Promise<{ logits: Float32Array; ms: number }> {
    const answer = this.#inTurn(pixels);
    this.#asked.add(answer);
    return answer.finally(() => this.#asked.delete(answer));
  }

  /** Closes the engine when all have their answers. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#asked);
    await this.#engine.close();
  }

  async #inTurn(pixels: Uint8Array): Promise<{ logits: Float32Array; ms: number }> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const from = performance.now();
    try {
      const logits = await this.#engine.infer(pixels);
      return { logits, ms: performance.now() - from };
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
