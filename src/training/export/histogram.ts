/** Bins of one histogram. With 8-bit steps, 8 bins a step are fine enough to place the clip. */
const BINS = 2048;

/** A number x is stored as the byte `round(x / scale) + zeroPoint`, within 0..255. */
export interface Quantization {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * A histogram of magnitudes whose range is not known before: it doubles as larger numbers come, by
 * merging neighbouring bins.
 */
export class Histogram {
  /** Bytes from 0 to the clip. */
  readonly #steps: number;
  readonly #zeroPoint: number;
  readonly #counts = new Float64Array(BINS);
  #binWidth = 2 ** -16;
  #max = 0;

  /** @param signed whether there are negative numbers; without, all 255 steps are above zero. */
  constructor(signed: boolean) {
    this.#steps = signed ? 127 : 255;
    this.#zeroPoint = signed ? 128 : 0;
  }

  add(values: Float32Array): void {
    let max = this.#max;
    for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i] as number));
    if (!Number.isFinite(max)) throw new Error('calibration: an activation is not finite');
    this.#max = max;
    while (max >= this.#binWidth * BINS) this.#double();
    const scale = 1 / this.#binWidth;
    for (let i = 0; i < values.length; i++) {
      const value = Math.abs(values[i] as number);
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
   * Cuts 0..clip into steps, with the clip of the least mean squared error: rounding costs less
   * below a smaller one, cutting off costs more.
   */
  best(): Quantization {
    const quantization = (clip: number) => ({
      scale: clip / this.#steps,
      zeroPoint: this.#zeroPoint,
    });
    if (this.#max === 0) return quantization(1); // all zeros: any scale does
    const last = Math.floor(this.#max / this.#binWidth) + 1;
    let best = { clip: this.#max, error: this.#error(this.#max, last) };
    for (let bin = Math.ceil(last / 8); bin < last; bin++) {
      const clip = bin * this.#binWidth;
      const error = this.#error(clip, last);
      if (error < best.error) best = { clip, error };
    }
    return quantization(best.clip);
  }

  #error(clip: number, last: number): number {
    const rounding = (clip / this.#steps) ** 2 / 12;
    let error = 0;
    for (let bin = 0; bin < last; bin++) {
      const beyond = (bin + 0.5) * this.#binWidth - clip;
      error += (this.#counts[bin] as number) * (beyond > 0 ? beyond ** 2 : rounding);
    }
    return error;
  }
}
