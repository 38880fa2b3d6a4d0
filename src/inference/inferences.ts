import type { Engine } from './engine.ts';

/** An engine and the photos that wait for it. */
export class Inferences {
  readonly #engine: Engine;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#free = engine.atOnce;
  }

  /** In the order of asking. @returns the logits, and the ms that they took without the wait. */
  async infer(pixels: Uint8Array): Promise<{ logits: Float32Array; ms: number }> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn();
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

  /** Closes the engine when all have their answers; none may be asked for any more. */
  async close(): Promise<void> {
    const busy = this.#engine.atOnce - this.#free;
    await Promise.all(Array.from({ length: busy }, () => this.#turn()));
    await this.#engine.close();
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
