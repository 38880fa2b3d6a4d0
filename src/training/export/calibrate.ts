import { InferenceSession, Tensor } from 'onnxruntime-node';
import { INPUT_SIZE, type Layer } from '../../inference/inceptionv3.ts';
import type { Tensors } from '../../inference/safetensors.ts';
import { exportF32, PIXELS } from './float-graph.ts';
import { Histogram } from './histogram.ts';

export interface CalibrationOptions {
  readonly layers: readonly Layer[];
  readonly weights: Tensors;
  /** Preprocessed photos, as the engines get them; some 200 varied ones are enough. */
  readonly calibration: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly inputSize?: number;
}

/**
 * Runs the float graph over the photos and finds where each layer's output is best clipped.
 * @param names layers whose outputs are never negative.
 * @throws Error where there is no photo.
 */
export async function calibrate(
  options: CalibrationOptions,
  names: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const { layers, weights, calibration, inputSize = INPUT_SIZE } = options;
  const model = exportF32({ layers, weights, inputSize, outputs: names });
  const session = await InferenceSession.create(model, { enableCpuMemArena: false });
  try {
    const histograms = names.map(() => new Histogram());
    let photos = 0;
    for await (const pixels of calibration) {
      const input = new Tensor('uint8', pixels, [1, inputSize, inputSize, 3]);
      const outputs = await session.run({ [PIXELS]: input });
      for (const [i, name] of session.outputNames.entries()) {
        histograms[i]?.add(outputs[name]?.data as Float32Array);
      }
      photos += 1;
    }
    if (photos === 0) throw new Error('calibration needs at least one photo');
    return new Map(names.map((name, i) => [name, (histograms[i] as Histogram).bestClip()]));
  } finally {
    await session.release();
  }
}
