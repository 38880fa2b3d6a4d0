import { join } from 'node:path';
import { env, type InferenceSession } from 'onnxruntime-common';
import type { ModelBundle } from '../bundle.ts';
import { cpuFeatures, multipliesMatrices } from './cpu-features.ts';
import { loadPrepared } from './prepared.ts';

/**
 * The graph as onnxruntime runs it on this CPU, kept on disk: optimised once, and what weights it
 * keeps in the order its kernels read them. Weights are mapped instead of copied; those kept in
 * order stay so and are shared by two workers, those of its own convolution kernels each worker packs.
 */

const GRAPH = 'graph.onnx';
const WEIGHTS = 'weights.bin';
/** Only while it is packed. */
const REWRITTEN = 'rewritten.onnx';

type SessionOptions = InferenceSession.SessionOptions;
type Create = (path: string, options: SessionOptions) => Promise<InferenceSession>;

/**
 * A session of the bundle's 8-bit graph, packed where possible.
 * @param create makes a session of a file; its own options go before those passed to it.
 */
export function createPrepared(
  bundle: ModelBundle,
  cacheDir: string | undefined,
  create: Create,
): Promise<InferenceSession> {
  const source = join(bundle.dir, bundle.manifest.files.int8);
  return loadPrepared(cacheDir, {
    bundle,
    by: env.versions,
    files: [GRAPH, WEIGHTS],
    async prepare(draft) {
      const session = await create(await forThisCpu(source, draft), savingTo(draft));
      // It has the weights twice, and would keep them.
      await session.release();
    },
    // What is left to optimise was optimised when it was written.
    load: (home) => create(join(home, GRAPH), { graphOptimizationLevel: 'disabled' }),
    without: () => create(source, {}),
  });
}

/** The file to pack: the bundle's, or in `draft` the same graph as this CPU computes it faster. */
async function forThisCpu(source: string, draft: string): Promise<string> {
  if (!multipliesMatrices(await cpuFeatures())) return source;
  const { writeAsProducts } = await import('./matrix-products.ts');
  const rewritten = join(draft, REWRITTEN);
  return (await writeAsProducts(source, rewritten)) ? rewritten : source;
}

/** Has a session leave its optimised graph and packed weights in `folder`. */
export const savingTo = (folder: string): SessionOptions => ({
  optimizedModelFilePath: join(folder, GRAPH),
  extra: {
    session: {
      save_external_prepacked_constant_initializers: '1',
      optimized_model_external_initializers_file_name: WEIGHTS,
      optimized_model_external_initializers_min_size_in_bytes: '1024',
    },
  },
});
