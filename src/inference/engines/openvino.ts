import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { checkPixels, defaultThreads, type EngineFactory } from '../engine.ts';
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
  const library = new Openvino(path, settings(options.threads ?? defaultThreads()));
  const compile = async () => {
    const { toQdq } = await import('./qdq-graph.ts');
    return library.compile(toQdq(await readFile(join(bundle.dir, bundle.manifest.files.int8))));
  };
  const network = options.cacheDir
    ? await loadPrepared(options.cacheDir, {
        bundle,
        by: library.version,
        files: [BLOB],
        async prepare(draft) {
          const compiled = await compile();
          compiled.export(join(draft, BLOB));
          compiled.close();
          collectGarbage();
        },
        load: async (home) => library.import(join(home, BLOB)),
        without: compile,
      })
    : await compile();
  let closed = false;
  return {
    name: 'openvino',
    async infer(pixels) {
      if (closed) throw new Error('the openvino engine is closed');
      checkPixels(pixels);
      return network.infer(pixels);
    },
    async close() {
      if (closed) return;
      closed = true;
      network.close();
      library.close();
    },
  };
};

/** The graph and its translation, 46 MB, which V8 would let lie for long: they are outside its heap. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  setFlagsFromString('--no-expose-gc');
}

/** One inference at a time; what is not in bytes is computed in float32, as everywhere. */
const settings = (threads: number): Record<string, string> => ({
  NUM_STREAMS: '1',
  INFERENCE_NUM_THREADS: String(threads),
  INFERENCE_PRECISION_HINT: 'f32',
  // Two workers would be pinned to the same core.
  ENABLE_CPU_PINNING: 'NO',
});
