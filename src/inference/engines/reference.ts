import type { EngineFactory } from '../engine.ts';
import { loadWeights } from '../network/weights.ts';
import { nativeSessionOptions, onnxEngine } from './onnx.ts';

/**
 * The canonical weights in float32, as a yardstick for the engines users choose: `evaluate
 * --reference` and the agreement tests. The graph is built in memory, so that its 87 MB need not
 * be shipped.
 */
export const createReferenceEngine: EngineFactory = async (bundle, options) => {
  const { InferenceSession, Tensor } = await import('./onnxruntime-node.ts');
  // Needed here only, so that serving never loads it.
  const { exportF32 } = await import('./float-graph.ts');
  const session = await InferenceSession.create(
    exportF32(await loadWeights(bundle)),
    nativeSessionOptions(options),
  );
  return onnxEngine(session, Tensor);
};
