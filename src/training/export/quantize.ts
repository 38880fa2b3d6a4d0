import type { KernelShape } from '../../inference/engines/kernels.ts';

/** Weights as signed 8-bit integers, one scale for each output channel. */
export interface QuantizedKernel {
  /** HWIO, -127..127. */
  readonly integers: Int8Array;
  /** Real weight = integer × scale of its output channel. */
  readonly scales: Float32Array;
}

const LARGEST = 127;
/**
 * AVX2 without VNNI multiplies unsigned by signed bytes and adds neighbouring products in 16 bits,
 * which saturate: 255 × (a + b) must stay within 32,767, so a + b within 128. Two less are left
 * for rounding. Most kernels keep the full eight bits under this bound; halving all weights, the
 * usual remedy, would cost every one of them a bit.
 */
const LARGEST_PAIR = 126;

/**
 * Symmetric, per output channel.
 * @param kernel HWIO.
 * @param smallestScale what no scale may be below, by output channel; see `smallestScales`.
 */
export function quantizeKernel(
  kernel: Float32Array,
  shape: KernelShape,
  smallestScale: ArrayLike<number>,
): QuantizedKernel {
  const [height, width, inputs, outputs] = shape;
  const scales = channelScales(kernel, smallestScale);
  const integers = new Int8Array(kernel.length);
  const taps = serpentine(height, width);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      // What rounding one tap left over goes into the next: neighbouring pixels are much alike, so
      // the errors all but cancel out where rounding each by itself would add them up.
      let rest = 0;
      for (const tap of taps) {
        const at = (tap * inputs + i) * outputs + o;
        const wanted = (kernel[at] as number) / (scales[o] as number) + rest;
        const integer = Math.min(Math.max(Math.round(wanted), -LARGEST), LARGEST);
        rest = wanted - integer;
        integers[at] = integer;
      }
    }
  }
  return { integers, scales };
}

/** A kernel's positions, row by row, there and back, so that each is next to the one before. */
function serpentine(height: number, width: number): number[] {
  const taps: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) taps.push(y * width + (y % 2 === 0 ? x : width - 1 - x));
  }
  return taps;
}

/** Pairs follow the order in which the products are added: height, width, inputs. */
function channelScales(kernel: Float32Array, smallest: ArrayLike<number>): Float32Array {
  const outputs = smallest.length;
  const terms = kernel.length / outputs;
  return Float32Array.from(smallest, (least, o) => {
    const weight = (term: number) => (term < terms ? (kernel[term * outputs + o] as number) : 0);
    let largest = 0;
    let largestPair = 0;
    for (let term = 0; term < terms; term += 2) {
      const [a, b] = [weight(term), weight(term + 1)];
      largest = Math.max(largest, Math.abs(a), Math.abs(b));
      if (a * b > 0) largestPair = Math.max(largestPair, Math.abs(a + b));
    }
    return Math.max(largest / LARGEST, largestPair / LARGEST_PAIR, least);
  });
}

/** Of the 31 bits of the integer sum, these are for the bias. */
const BIAS_STEPS = 2 ** 29;

/**
 * A channel that training has switched off has a bias but hardly any weights; in a scale as small
 * as those its bias would overflow.
 */
export function smallestScales(bias: Float32Array, inputScale: number): Float64Array {
  return Float64Array.from(bias, (value) =>
    Math.max(Math.abs(value) / (inputScale * BIAS_STEPS), SMALLEST_SCALE),
  );
}

/** Well within float32, and small enough to make nothing of any weight that matters. */
const SMALLEST_SCALE = 1e-20;

/**
 * What the rounded kernel gives too much, on average over photos, by output channel: to be taken
 * off the bias.
 * @param inputMeans mean of each input channel.
 */
export function meanError(
  kernel: Float32Array,
  { integers, scales }: QuantizedKernel,
  inputMeans: ArrayLike<number>,
): Float64Array {
  const outputs = scales.length;
  const inputs = inputMeans.length;
  const error = new Float64Array(outputs);
  for (let at = 0; at < kernel.length; at++) {
    const o = at % outputs;
    const i = Math.trunc(at / outputs) % inputs;
    const rounding = (integers[at] as number) * (scales[o] as number) - (kernel[at] as number);
    error[o] = (error[o] as number) + rounding * (inputMeans[i] as number);
  }
  return error;
}

/** Bias in the units of the integer sum: input scale × weight scale. */
export function quantizeBias(
  bias: ArrayLike<number>,
  inputScale: number,
  weightScales: Float32Array,
): Int32Array {
  return Int32Array.from(bias, (value, o) =>
    Math.round(value / (inputScale * (weightScales[o] as number))),
  );
}
