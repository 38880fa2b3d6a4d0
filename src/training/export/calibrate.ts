import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { defaultThreads } from '../../inference/engine.ts';
import type { ExportLayer } from '../../inference/engines/float-graph.ts';
import { exportF32 } from '../../inference/engines/float-graph.ts';
import { nativeSessionOptions, PIXELS } from '../../inference/engines/onnx.ts';
import { InferenceSession, Tensor } from '../../inference/engines/onnxruntime-node.ts';
import { INPUT, INPUT_SIZE } from '../../inference/network/inceptionv3.ts';
import type { Tensors } from '../../inference/network/safetensors.ts';
import { Histogram, type Quantization } from './histogram.ts';

export interface CalibrationOptions {
  readonly layers: readonly ExportLayer[];
  readonly weights: Tensors;
  /** Preprocessed photos, as the engines get them; some 200 varied ones are enough. */
  readonly calibration: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly inputSize?: number;
}

export interface Calibration {
  /** How each measured layer's output is best stored in bytes. */
  readonly quantizations: ReadonlyMap<string, Quantization>;
  /** Mean of each channel, for every tensor that a convolution reads. */
  readonly means: ReadonlyMap<string, Float64Array>;
}

/**
 * Runs the float graph over the photos and looks at its insides.
 * @param measured layers to find a quantisation for.
 * @throws Error where there is no photo, or an activation is not finite.
 */
export async function calibrate(
  options: CalibrationOptions,
  measured: readonly string[],
): Promise<Calibration> {
  const { layers, weights, calibration, inputSize = INPUT_SIZE } = options;
  const signed = new Set(layers.filter((l) => l.rectified === false).map((l) => l.name));
  const histograms = new Map(measured.map((name) => [name, new Histogram(signed.has(name))]));
  const read = layers.flatMap((layer) => (layer.kind === 'conv' ? layer.from : []));
  const sums = new Map(read.map((name) => [name, [] as number[]]));
  const outputs = [...new Set([...measured, ...read])].filter((name) => name !== INPUT);
  const session = await InferenceSession.create(
    exportF32({ layers, weights, inputSize, outputs }),
    nativeSessionOptions({ threads: defaultThreads() }),
  );
  try {
    let photos = 0;
    for await (const pixels of calibration) {
      const input = new Tensor('uint8', pixels, [1, inputSize, inputSize, 3]);
      const results = await session.run({ [PIXELS]: input });
      for (const name of outputs) {
        const { data, dims } = results[name] as OrtTensor;
        histograms.get(name)?.add(data as Float32Array);
        addChannelMeans(sums.get(name), data as Float32Array, dims[1] as number);
      }
      addChannelMeans(sums.get(INPUT), asPlanes(pixels), 3);
      photos += 1;
    }
    if (photos === 0) throw new Error('calibration needs at least one photo');
    return {
      quantizations: new Map([...histograms].map(([name, found]) => [name, found.best()])),
      means: new Map(
        [...sums].map(([name, sum]) => [name, Float64Array.from(sum, (s) => s / photos)]),
      ),
    };
  } finally {
    await session.release();
  }
}

/** @param data channel by channel. */
function addChannelMeans(sums: number[] | undefined, data: Float32Array, channels: number): void {
  if (!sums) return;
  const size = data.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0;
    for (let i = channel * size; i < (channel + 1) * size; i++) sum += data[i] as number;
    sums[channel] = (sums[channel] ?? 0) + sum / size;
  }
}

/** Pixels as the network sees them, channel by channel. */
function asPlanes(pixels: Uint8Array): Float32Array {
  const size = pixels.length / 3;
  return Float32Array.from(
    { length: pixels.length },
    (_, i) => (pixels[(i % size) * 3 + Math.trunc(i / size)] as number) / 127.5 - 1,
  );
}
