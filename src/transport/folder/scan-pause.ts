/** However often it is cut short, so much of it stays. */
const LEAST_MS = 1000;

/** The pause between two scans of the folder. */
export class ScanPause {
  #cut: (() => void) | null = null;
  /** Cut short during a scan: what that has passed already is for the next. */
  #wanted = false;
  #ended = false;

  /** A scan begins: it sees what any was wanted for until now. */
  scanning(): void {
    this.#wanted = false;
  }

  /** Resolves when it is over. */
  async begin(ms: number): Promise<void> {
    if (this.#ended) return;
    const began = performance.now();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#wanted ? Math.min(ms, LEAST_MS) : ms);
      this.#cut = () => {
        clearTimeout(timer);
        const left = LEAST_MS - (performance.now() - began);
        if (left <= 0 || this.#ended) resolve();
        else setTimeout(resolve, left);
      };
    });
    this.#cut = null;
  }

  /** The next scan is wanted now, or soon after the one that is going on. */
  cut(): void {
    if (this.#cut) this.#cut();
    else this.#wanted = true;
  }

  /** No pause from now on. */
  end(): void {
    this.#ended = true;
    this.#cut?.();
  }
}
