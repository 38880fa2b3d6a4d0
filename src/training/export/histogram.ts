/** Bins of one histogram. With 8-bit steps, 8 bins a step are fine enough to place the clip. */
const BINS = 2048;
const STEPS = 255;

/**
 * A histogram of non-negative numbers whose range is not known before: it doubles as larger
 * numbers come, by merging neighbouring bins.
 */
export class Histogram {
  readonly #counts = new Float64Array(BINS);
  #binWidth = 2 ** -16;
  #max = 0;

  add(values: Float32Array): void {
    let max = this.#max;
    for (let i = 0; i < values.length; i++)
      if ((values[i] as number) > max) max = values[i] as number;
    if (!Number.isFinite(max)) throw new Error('calibration: an activation is not finite');
    this.#max = max;
    while (max >= this.#binWidth * BINS) this.#double();
    const scale = 1 / this.#binWidth;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      // Zeros (most of what ReLU gives) are exact at any scale, so they do not count.
      if (value > 0) {
        const bin = Math.trunc(value * scale);
        this.#counts[bin] = (this.#counts[bin] as number) + 1;
      }
    }
  }

  #double(): void {
    const counts = this.#counts;
    for (let i = 0; i < BINS / 2; i++) {
      counts[i] = (counts[2 * i] as number) + (counts[2 * i + 1] as number);
    }
    counts.fill(0, BINS / 2);
    this.#binWidth *= 2;
  }

  /**
   * The clip with the least mean squared error when 0..clip is cut into 255 steps: rounding costs
   * less below a smaller clip, cutting off costs more.
   * @returns greater than 0; 1 where nothing was added.
   */
  bestClip(): number {
    if (this.#max === 0) return 1;
    const last = Math.min(Math.ceil(this.#max / this.#binWidth), BINS);
    let best = { clip: this.#max, error: this.#error(this.#max, last) };
    for (let bin = Math.ceil(last / 8); bin < last; bin++) {
      const clip = bin * this.#binWidth;
      const error = this.#error(clip, last);
      if (error < best.error) best = { clip, error };
    }
    return best.clip;
  }

  #error(clip: number, last: number): number {
    const rounding = (clip / STEPS) ** 2 / 12;
    let error = 0;
    for (let bin = 0; bin < last; bin++) {
      const beyond = (bin + 0.5) * this.#binWidth - clip;
      error += (this.#counts[bin] as number) * (beyond > 0 ? beyond ** 2 : rounding);
    }
    return error;
  }
}
