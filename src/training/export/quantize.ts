/** Weights as signed 8-bit integers, one scale for each output channel. */
export interface QuantizedKernel {
  /** OIHW, -127..127. */
  readonly data: Int8Array;
  /** Real weight = integer × scale of its output channel. */
  readonly scales: Float32Array;
}

const LARGEST = 127;
/**
 * AVX2 without VNNI multiplies unsigned by signed bytes and adds neighbouring products in 16 bits,
 * which saturate: 255 × (a + b) must stay within 32,767, so a + b within 128. One less is left
 * for rounding. Most kernels keep the full eight bits under this bound; halving all weights, the
 * usual remedy, would cost every one of them a bit.
 */
const LARGEST_PAIR = 127;

/**
 * Symmetric, per output channel.
 * @param kernel HWIO.
 * @param shape height, width, inputs, outputs.
 */
export function quantizeKernel(
  kernel: Float32Array,
  shape: readonly [height: number, width: number, inputs: number, outputs: number],
): QuantizedKernel {
  const [height, width, inputs, outputs] = shape;
  const positions = height * width;
  const terms = positions * inputs;
  const scales = new Float32Array(outputs);
  const data = new Int8Array(kernel.length);
  for (let o = 0; o < outputs; o++) {
    const scale = channelScale(kernel, o, outputs, terms);
    scales[o] = scale;
    for (let term = 0; term < terms; term++) {
      const integer = Math.round((kernel[term * outputs + o] as number) / scale);
      const position = Math.trunc(term / inputs);
      const input = term % inputs;
      data[(o * inputs + input) * positions + position] = integer;
    }
  }
  return { data, scales };
}

/** Pairs follow the order in which the products are added: height, width, inputs. */
function channelScale(
  kernel: Float32Array,
  output: number,
  outputs: number,
  terms: number,
): number {
  let largest = 0;
  let largestPair = 0;
  for (let term = 0; term < terms; term += 2) {
    const a = kernel[term * outputs + output] as number;
    const b = term + 1 < terms ? (kernel[(term + 1) * outputs + output] as number) : 0;
    largest = Math.max(largest, Math.abs(a), Math.abs(b));
    largestPair = Math.max(largestPair, Math.abs(a + b));
  }
  const scale = Math.max(largest / LARGEST, largestPair / LARGEST_PAIR);
  return scale > 0 ? Math.fround(scale) : 1; // a kernel of zeros may have any scale
}

/** Bias in the units of the integer sum: input scale × weight scale. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): Int32Array {
  return Int32Array.from(bias, (value, o) =>
    Math.round(value / (inputScale * (weightScales[o] as number))),
  );
}
