import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPixels, type EngineFactory, lending } from '../engine.ts';
import { collectGarbage } from '../garbage.ts';
import { Openvino } from './openvino-library.ts';
import { findOpenvino, NOT_INSTALLED } from './openvino-path.ts';
import { loadPrepared } from './prepared.ts';

/** The compiled network, as the library writes it. */
const BLOB = 'network.blob';

/**
 * OpenVINO's CPU plugin with the bundle's 8-bit graph. On CPUs with AMX twice as fast as onnxruntime,
 * elsewhere about as fast. Needs `npm run setup:openvino`.
 */
export const createOpenvinoEngine: EngineFactory = async (bundle, options) => {
  const path = findOpenvino();
  if (!path) throw new Error(NOT_INSTALLED);
  const { threads, atOnce = 1 } = options;
  const library = new Openvino(path, settings(Math.max(threads, atOnce), atOnce));
  const compile = async () => {
    const { toQdq } = await import('./qdq-graph.ts');
    return library.compile(toQdq(await readFile(join(bundle.dir, bundle.manifest.files.int8))));
  };
  const network = await loadPrepared(options.cacheDir, {
    bundle,
    by: library.version,
    files: [BLOB],
    async prepare(draft) {
      const compiled = await compile();
      compiled.export(join(draft, BLOB));
      compiled.close();
      // The graph and its translation, 46 MB outside V8's heap.
      collectGarbage();
    },
    load: (home) => library.import(join(home, BLOB)),
    without: compile,
  });
  const requests = Array.from({ length: atOnce }, () => network.request());
  const withOne = lending(requests);
  let closed = false;
  return {
    atOnce,
    async infer(pixels) {
      if (closed) throw new Error('the openvino engine is closed');
      checkPixels(pixels);
      return withOne((request) => request.infer(pixels));
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const request of requests) request.close();
      network.close();
      library.close();
    },
  };
};

/** What is not in bytes is computed in float32, as everywhere. Streams share the weights. */
const settings = (threads: number, streams: number): Record<string, string> => ({
  NUM_STREAMS: String(streams),
  INFERENCE_NUM_THREADS: String(threads),
  INFERENCE_PRECISION_HINT: 'f32',
  // A worker and the one that replaces it would be pinned to the same core.
  ENABLE_CPU_PINNING: 'NO',
});
