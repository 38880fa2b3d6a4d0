import { join } from 'node:path';
import type { EngineFactory } from '../engine.ts';
import { nativeSessionOptions, onnxEngine } from './onnx.ts';

/** The native engine: onnxruntime's CPU library with the bundle's 8-bit graph. */
export const createOnnxruntimeEngine: EngineFactory = async (bundle, options) => {
  const { InferenceSession, Tensor } = await import('./onnxruntime-node.ts');
  const session = await InferenceSession.create(
    join(bundle.dir, bundle.manifest.files.int8),
    nativeSessionOptions(options.threads),
  );
  return onnxEngine({ name: 'onnxruntime', precision: 'int8' }, session, Tensor);
};
