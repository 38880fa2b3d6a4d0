/**
 * IEEE 754 half precision. Node 20 has no Float16Array, so the bits are moved by hand.
 */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** One half-precision bit pattern (0..65535) as a number. Exact. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest half-precision bit pattern, ties to even; beyond ±65504 it is infinity. */
function numberToHalf(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477f_f000) return sign | 0x7c00; // rounds to infinity, or is infinite
  if (magnitude < 0x3880_0000) {
    // Below the smallest normal half: a multiple of 2^-24.
    const steps = Math.abs(value) * 2 ** 24;
    let rounded = Math.floor(steps);
    const rest = steps - rounded;
    if (rest > 0.5 || (rest === 0.5 && rounded % 2 === 1)) rounded += 1;
    return sign | rounded;
  }
  // Rebias the exponent from 127 to 15 and round away the 13 low bits of the fraction.
  const rebiased = magnitude - 0x3800_0000;
  return sign | ((rebiased + 0x0fff + ((rebiased >>> 13) & 1)) >>> 13);
}

let table: Float32Array | undefined;

/** Half-precision bit patterns as float32. Exact. */
export function float16ToFloat32(halves: Uint16Array): Float32Array {
  // 65,536 entries: a look-up is several times faster than the arithmetic.
  table ??= Float32Array.from({ length: 65_536 }, (_, half) => halfToNumber(half));
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i] as number] as number;
  return out;
}

/** float32 as the nearest half-precision bit patterns (ties to even). */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = numberToHalf(values[i] as number);
  return out;
}
