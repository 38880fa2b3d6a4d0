/** Kernels are HWIO in the weights file; ONNX wants OIHW. */

/** @param shape height, width, inputs, outputs of `kernel`. */
export function kernelToOihw(
  kernel: Float32Array,
  shape: readonly [height: number, width: number, inputs: number, outputs: number],
): Float32Array {
  const [height, width, inputs, outputs] = shape;
  const positions = height * width;
  const out = new Float32Array(kernel.length);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < inputs; i++) {
      const from = (position * inputs + i) * outputs;
      for (let o = 0; o < outputs; o++) {
        out[(o * inputs + i) * positions + position] = kernel[from + o] as number;
      }
    }
  }
  return out;
}
