import type { InferenceSession as Session } from 'onnxruntime-common';
import type { EngineFactory } from '../engine.ts';
import { nativeSessionOptions, onnxEngine } from './onnx.ts';
import { createPrepared } from './prepared-graph.ts';

/** The native engine: onnxruntime's CPU library with the bundle's 8-bit graph. */
export const createOnnxruntimeEngine: EngineFactory = async (bundle, options) => {
  const { InferenceSession, Tensor } = await import('./onnxruntime-node.ts');
  const create = (path: string, more: Session.SessionOptions) =>
    InferenceSession.create(path, { ...nativeSessionOptions(options), ...more });
  return onnxEngine(await createPrepared(bundle, options.cacheDir, create), Tensor);
};
