import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineFactory } from '../engine.ts';
import { onnxEngine } from './onnx.ts';

/** For boxes where no native binary loads: onnxruntime as WebAssembly, the same 8-bit graph. */
export const createWasmEngine: EngineFactory = async (bundle, options) => {
  const { env, InferenceSession, Tensor } = await import('onnxruntime-web');
  env.wasm.numThreads = options.threads;
  env.logLevel = 'error';
  const model = await readFile(join(bundle.dir, bundle.manifest.files.int8));
  const session = await InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
    enableCpuMemArena: false,
  });
  return onnxEngine(session, Tensor);
};
