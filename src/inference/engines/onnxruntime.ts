import { join } from 'node:path';
import type { InferenceSession as Session } from 'onnxruntime-common';
import type { EngineFactory } from '../engine.ts';
import { nativeSessionOptions, onnxEngine } from './onnx.ts';
import { createPrepared } from './prepared-graph.ts';

/** The native engine: onnxruntime's CPU library with the bundle's 8-bit graph. */
export const createOnnxruntimeEngine: EngineFactory = async (bundle, options) => {
  const { InferenceSession, Tensor } = await import('./onnxruntime-node.ts');
  const create = (path: string, more: Session.SessionOptions) =>
    InferenceSession.create(path, { ...nativeSessionOptions(options), ...more });
  const source = join(bundle.dir, bundle.manifest.files.int8);
  const session = options.cacheDir
    ? await createPrepared(bundle, options.cacheDir, create)
    : await create(source, {});
  return onnxEngine('onnxruntime', session, Tensor);
};
