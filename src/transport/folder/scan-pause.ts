/** However often it is cut short, so much of it stays. */
const LEAST_MS = 1000;

/** The pause between two scans of the folder. */
export class ScanPause {
  #cut = () => {};
  #ended = false;

  /** Resolves when it is over. */
  async begin(ms: number): Promise<void> {
    if (this.#ended) return;
    const began = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#cut = () => {
        clearTimeout(timer);
        const left = LEAST_MS - (performance.now() - began);
        if (left <= 0 || this.#ended) resolve();
        else setTimeout(resolve, left);
      };
    });
    this.#cut = () => {};
  }

  /** The next scan is wanted now. */
  cut(): void {
    this.#cut();
  }

  /** No pause from now on. */
  end(): void {
    this.#ended = true;
    this.#cut();
  }
}
