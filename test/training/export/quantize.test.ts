import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KernelShape } from '../../../src/inference/engines/kernels.ts';
import { kernelToOihw } from '../../../src/inference/engines/kernels.ts';
import {
  meanError,
  quantizeBias,
  quantizeKernel,
  smallestScales,
} from '../../../src/training/export/quantize.ts';

/** HWIO kernels of all small shapes, with numbers of very different size. */
const kernels = fc
  .tuple(...[3, 3, 5, 4].map((max) => fc.integer({ min: 1, max })))
  .chain((shape) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const weight = fc.float({ min: -8, max: 8, noNaN: true });
    return fc
      .array(weight, { minLength: length, maxLength: length })
      .map((data) => ({ shape: shape as unknown as KernelShape, data: Float32Array.from(data) }));
  });

/** Channels without a bias. */
const none = (outputs: number) => smallestScales(new Float32Array(outputs), 1);

describe('quantizeKernel', () => {
  it('never lets two neighbouring products saturate 16 bits', () => {
    fc.assert(
      fc.property(kernels, ({ shape, data }) => {
        const outputs = shape[3];
        const { integers } = quantizeKernel(data, shape, none(shape[3]));
        for (let o = 0; o < outputs; o++) {
          const terms = Array.from(integers).filter((_, at) => at % outputs === o);
          for (let i = 0; i < terms.length; i += 2) {
            const [a = 0, b = 0] = [terms[i], terms[i + 1]];
            // Any two activations in 0..255: the extremes are at the corners.
            for (const sum of [255 * a, 255 * b, 255 * (a + b)]) {
              expect(sum).toBeGreaterThanOrEqual(-32768);
              expect(sum).toBeLessThanOrEqual(32767);
            }
          }
        }
      }),
    );
  });

  it('rounds by at most one step, and the sum over a window by at most half', () => {
    fc.assert(
      fc.property(kernels, ({ shape: [height, width, inputs, outputs], data }) => {
        const { integers, scales } = quantizeKernel(
          data,
          [height, width, inputs, outputs],
          none(outputs),
        );
        for (let i = 0; i < inputs; i++) {
          for (let o = 0; o < outputs; o++) {
            let total = 0;
            for (let tap = 0; tap < height * width; tap++) {
              const at = (tap * inputs + i) * outputs + o;
              const error = (integers[at] as number) - (data[at] as number) / (scales[o] as number);
              expect(Math.abs(error)).toBeLessThanOrEqual(1.001);
              total += error;
            }
            expect(Math.abs(total)).toBeLessThanOrEqual(0.501);
          }
        }
      }),
    );
  });

  it('uses the whole range where nothing stands in the way', () => {
    const { integers, scales } = quantizeKernel(Float32Array.of(1, -0.5), [1, 1, 1, 2], none(2));
    expect([...integers]).toEqual([127, -127]);
    expect(scales[0]).toBeCloseTo(1 / 127, 6);
  });

  it('keeps the bias of a channel without weights from overflowing', () => {
    const kernel = Float32Array.of(1e-12, 0.5);
    const bias = Float32Array.of(0.3, 0.3);
    const { integers, scales } = quantizeKernel(kernel, [1, 1, 1, 2], smallestScales(bias, 0.02));
    expect([...integers]).toEqual([0, 127]);
    const steps = quantizeBias(bias, 0.02, scales);
    expect((steps[0] as number) * 0.02 * (scales[0] as number)).toBeCloseTo(0.3, 5);
    expect((steps[1] as number) * 0.02 * (scales[1] as number)).toBeCloseTo(0.3, 3);
  });
});

describe('meanError', () => {
  it('is what a constant input shows', () => {
    fc.assert(
      fc.property(kernels, ({ shape, data }) => {
        const [, , inputs, outputs] = shape;
        const means = Array.from({ length: inputs }, (_, i) => i - 1.5);
        const quantized = quantizeKernel(data, shape, none(shape[3]));
        const error = meanError(data, quantized, means);
        for (let o = 0; o < outputs; o++) {
          let expected = 0;
          for (let at = o; at < data.length; at += outputs) {
            const real = (quantized.integers[at] as number) * (quantized.scales[o] as number);
            const mean = means[Math.floor(at / outputs) % inputs] as number;
            expected += (real - (data[at] as number)) * mean;
          }
          expect(error[o]).toBeCloseTo(expected, 6);
        }
      }),
    );
  });
});

it('quantizeBias counts in steps of the sum', () => {
  expect([...quantizeBias([1, -0.26], 0.5, Float32Array.of(0.25, 0.5))]).toEqual([8, -1]);
});

it('kernelToOihw moves the axes', () => {
  // 1×2 window, 2 inputs, 3 outputs; each number spells position, input, output.
  const hwio = [0, 1].flatMap((p) =>
    [0, 1].flatMap((i) => [0, 1, 2].map((o) => p * 100 + i * 10 + o)),
  );
  expect([...kernelToOihw(Float32Array.from(hwio), [1, 2, 2, 3])]).toEqual(
    [0, 1, 2].flatMap((o) => [0, 1].flatMap((i) => [0, 1].map((p) => p * 100 + i * 10 + o))),
  );
});
