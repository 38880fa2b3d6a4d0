/** Of a convolution's weights. */
export type KernelShape = readonly [height: number, width: number, inputs: number, outputs: number];

/** Kernels are HWIO in the weights file; ONNX wants OIHW. */
export function kernelToOihw<T extends Float32Array | Int8Array>(
  kernel: T,
  [height, width, inputs, outputs]: KernelShape,
): T {
  const positions = height * width;
  const out = kernel.slice() as T;
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
