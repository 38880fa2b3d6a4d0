import type { InferenceSession, TypedTensor } from 'onnxruntime-common';
import { checkPixels, type Engine, type EngineOptions } from '../engine.ts';
import { INPUT_SIZE } from '../network/inceptionv3.ts';

/** What the ONNX engines share. */

/** Name of the input of every exported graph: u8 [1, height, width, 3]. */
export const PIXELS = 'pixels';

type TensorClass = new (
  type: 'uint8',
  data: Uint8Array,
  shape: readonly number[],
) => TypedTensor<'uint8'>;

/** A session of either onnxruntime as an engine. */
export function onnxEngine(session: InferenceSession, Tensor: TensorClass): Engine {
  const output = session.outputNames[0] as string;
  return {
    atOnce: 1,
    async infer(pixels) {
      checkPixels(pixels);
      const input = new Tensor('uint8', pixels, [1, INPUT_SIZE, INPUT_SIZE, 3]);
      const results = await session.run({ [PIXELS]: input });
      return results[output]?.data as Float32Array;
    },
    close: () => session.release(),
  };
}

/** Threads that spin while they wait take the cores from decoding and from the rest of the box. */
const SLEEPING = { intra_op: { allow_spinning: '0' } };
/** Within an inference that has the cores to itself, and never after it: a fifteenth less. */
const SPINNING = { intra_op: { allow_spinning: '1' }, force_spinning_stop: '1' };

/** How every native session is run. */
export function nativeSessionOptions({ threads, atOnce = 1 }: EngineOptions) {
  return {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3, // else it warns of a graph for this CPU only, and of a constant that may be replaced
    // With fixed shapes the arena takes what one inference needs and no more. Without it every layer
    // asks malloc for megabytes, which is slower and leaves the heap in pieces: 450 MB after 200
    // photos instead of 170.
    enableCpuMemArena: true,
    extra: { session: atOnce === 1 ? SPINNING : SLEEPING },
  } as const satisfies InferenceSession.SessionOptions;
}
