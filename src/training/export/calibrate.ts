import { InferenceSession, Tensor } from 'onnxruntime-node';
import { PIXELS } from '../../inference/engines/onnx.ts';
import { INPUT_SIZE } from '../../inference/inceptionv3.ts';
import type { Tensors } from '../../inference/safetensors.ts';
import { exportF32 } from './float-graph.ts';
import { Histogram, type Quantization } from './histogram.ts';
import type { ExportLayer } from './pools.ts';

export interface CalibrationOptions {
  readonly layers: readonly ExportLayer[];
  readonly weights: Tensors;
  /** Preprocessed photos, as the engines get them; some 200 varied ones are enough. */
  readonly calibration: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly inputSize?: number;
}

/**
 * Runs the float graph over the photos and finds how each named layer's output is best stored in bytes.
 * @throws Error where there is no photo.
 */
export async function calibrate(
  options: CalibrationOptions,
  names: readonly string[],
): Promise<ReadonlyMap<string, Quantization>> {
  const { layers, weights, calibration, inputSize = INPUT_SIZE } = options;
  const model = exportF32({ layers, weights, inputSize, outputs: names });
  const session = await InferenceSession.create(model, { enableCpuMemArena: false });
  try {
    const signed = new Set(layers.filter((l) => l.rectified === false).map((l) => l.name));
    const histograms = new Map(names.map((name) => [name, new Histogram(signed.has(name))]));
    let photos = 0;
    for await (const pixels of calibration) {
      const input = new Tensor('uint8', pixels, [1, inputSize, inputSize, 3]);
      const outputs = await session.run({ [PIXELS]: input });
      for (const [name, histogram] of histograms) {
        histogram.add(outputs[name]?.data as Float32Array);
      }
      photos += 1;
    }
    if (photos === 0) throw new Error('calibration needs at least one photo');
    return new Map([...histograms].map(([name, histogram]) => [name, histogram.best()]));
  } finally {
    await session.release();
  }
}
