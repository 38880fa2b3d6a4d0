/**
 * How libvips reduces one side of a picture with its `lanczos3` kernel: which pixels make up a pixel
 * of the result, and with which weights. Its arithmetic to the letter (`vips_reducev`,
 * `vips_reduceh`), so that the same bytes come out.
 */

/** Places between two pixels that have weights of their own; the one at the end is the next pixel's. */
const PHASES = 64;
/** Weights are whole: this is 1. */
const ONE = 4096;
/** The kernel's lobes to either side. */
const LOBES = 3;

export interface Reduction {
  /** Pixels that make up one: an odd number. */
  readonly taps: number;
  /** The same, filled up with weights of 0 to a multiple of 4. */
  readonly rowTaps: number;
  /** So often the first pixel is repeated before itself, for the results that reach beyond it. */
  readonly before: number;
  /** Of each pixel of the result: the first that makes it up, with those repeated ones. */
  readonly first: Int32Array;
  /** Of each pixel of the result: its row in `weights`. */
  readonly phase: Int32Array;
  /** Rows of `rowTaps`. */
  readonly weights: Int16Array;
}

/**
 * @param from pixels of a side, more than `to`.
 * @param to pixels of the result's.
 */
export function reduction(from: number, to: number): Reduction {
  // It is handed on as a scale.
  const shrink = 1 / (1 / (from / to));
  const taps = 2 * nearest(LOBES * shrink) + 1;
  const rowTaps = Math.ceil(taps / 4) * 4;
  const weights = new Int16Array((PHASES + 1) * rowTaps);
  for (let phase = 0; phase <= PHASES; phase++) {
    weights.set(weightsAt(phase / PHASES, shrink, taps), phase * rowTaps);
  }
  const first = new Int32Array(to);
  const phase = new Int32Array(to);
  // So that what is rounded off is left out on both sides.
  const offset = (1 + (to * shrink - from)) / 2 - 1;
  let at = 0.5 * shrink - 0.5 - offset;
  for (let i = 0; i < to; i++, at += shrink) {
    first[i] = Math.trunc(at);
    phase[i] = ((Math.trunc(at * PHASES * 2) % (PHASES * 2)) + 1) >> 1;
  }
  return { taps, rowTaps, before: (taps - 1) / 2, first, phase, weights };
}

function weightsAt(offset: number, shrink: number, taps: number): Int16Array {
  const middle = offset + taps / 2 - 1;
  const values = Array.from({ length: taps }, (_, i) => lanczos((i - middle) / shrink));
  const sum = values.reduce((a, b) => a + b);
  return Int16Array.from(values, (value) => Math.trunc((value / sum) * ONE));
}

function lanczos(x: number): number {
  return Math.abs(x) > LOBES ? 0 : sinc(x) * sinc(x / LOBES);
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** Halves to the even number, as C's `rint`. */
function nearest(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
