import util from 'node:util';
import { defaultThreads } from './engine.ts';

/** tfjs-node's API. */
export type Tfjs = typeof import('@tensorflow/tfjs-node');
export type {
  Optimizer,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor4D,
  Variable,
} from '@tensorflow/tfjs-node';

let loaded: Promise<Tfjs> | undefined;

async function load(threads: number): Promise<Tfjs> {
  // tfjs-node 4.22 calls util.isNullOrUndefined and util.isArray, gone since Node 23.
  const old = util as unknown as Record<string, unknown>;
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
  // TensorFlow reads these once, when its library is loaded. What the user set stays.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  process.env.OMP_NUM_THREADS ??= String(threads);
  process.env.TF_NUM_INTRAOP_THREADS ??= String(threads);
  process.env.TF_NUM_INTEROP_THREADS ??= '1';
  try {
    const module = await import('@tensorflow/tfjs-node');
    // It is CommonJS: the namespace is the default export too, with every name on it.
    const tf = (module as unknown as { default?: Tfjs }).default ?? module;
    await tf.ready();
    return tf;
  } catch (error) {
    throw new Error(
      `tfjs-node does not load; "npm run setup:tfjs-node" builds it. ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/**
 * tfjs-node, loaded on first use; `threads` counts then only.
 * @throws Error that names `npm run setup:tfjs-node` where the native part is missing.
 */
export function loadTfjs(threads = defaultThreads()): Promise<Tfjs> {
  loaded ??= load(threads);
  return loaded;
}
