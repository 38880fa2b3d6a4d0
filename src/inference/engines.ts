import type { Manifest, ModelBundle } from './bundle.ts';
import {
  defaultThreads,
  type Engine,
  type EngineChoice,
  type EngineFactory,
  type EngineName,
  type EngineOptions,
  type OneEngine,
} from './engine.ts';
import { cpuFeatures, multipliesMatrices } from './engines/cpu-features.ts';
import { findOpenvino } from './engines/openvino-path.ts';

interface EngineTraits {
  /** Its code and native parts are loaded only when it is asked for. */
  load(): Promise<EngineFactory>;
  /** The file of a bundle that it reads. */
  readonly reads: keyof Manifest['files'];
  /** It can be asked for two inferences at once. */
  readonly infersTwice?: true;
  /** Its library holds up the thread that calls it. */
  readonly holdsUp?: true;
}

const TRAITS: Readonly<Record<OneEngine, EngineTraits>> = {
  onnxruntime: {
    load: async () => (await import('./engines/onnxruntime.ts')).createOnnxruntimeEngine,
    reads: 'int8',
    infersTwice: true,
    holdsUp: true,
  },
  openvino: {
    load: async () => (await import('./engines/openvino.ts')).createOpenvinoEngine,
    reads: 'int8',
    infersTwice: true,
  },
  'tfjs-node': {
    load: async () => (await import('./engines/tfjs-node.ts')).createTfjsNodeEngine,
    reads: 'weights',
  },
  wasm: {
    load: async () => (await import('./engines/wasm.ts')).createWasmEngine,
    reads: 'int8',
  },
  reference: {
    load: async () => (await import('./engines/reference.ts')).createReferenceEngine,
    reads: 'weights',
  },
};

export const infersTwice = (engine: OneEngine): boolean => TRAITS[engine].infersTwice === true;

/** The file of a bundle that the engines of a choice read; all that `auto` tries read the same. */
export const fileOf = (choice: EngineChoice): keyof Manifest['files'] =>
  choice === 'auto' ? 'int8' : TRAITS[choice].reads;

/**
 * What `auto` tries, fastest first. OpenVINO where it is set up and the CPU has AMX: elsewhere it is no
 * faster than onnxruntime and takes more memory. tfjs-node is left out: slower than onnxruntime, and
 * where that does not load it hardly does either.
 * @param library OpenVINO's, if it is set up.
 * @param features of the CPU, as `cpuFeatures` has them.
 */
export const orderFor = (library: string | null, features: string): readonly EngineName[] =>
  library !== null && multipliesMatrices(features)
    ? ['openvino', 'onnxruntime', 'wasm']
    : ['onnxruntime', 'wasm'];

/** The same for this box. */
export const autoOrder = async (): Promise<readonly EngineName[]> =>
  orderFor(findOpenvino(), await cpuFeatures());

/** Loads an engine into this process. @throws Error that says why it does not load. */
export async function loadEngine(
  engine: OneEngine,
  bundle: ModelBundle,
  options: EngineOptions = { threads: defaultThreads() },
): Promise<Engine> {
  try {
    return TRAITS[engine].holdsUp
      ? await (await import('./engine-threads.ts')).inThreads(engine, bundle, options)
      : await loadHere(engine, bundle, options);
  } catch (error) {
    throw new Error(`engine ${engine} does not load: ${reasonOf(error)}`, { cause: error });
  }
}

/** The same into this thread, for one inference at once. */
export async function loadHere(
  engine: OneEngine,
  bundle: ModelBundle,
  options: EngineOptions,
): Promise<Engine> {
  return (await TRAITS[engine].load())(bundle, options);
}

/**
 * Tries the engines of a choice in turn until one attempt succeeds.
 * @param attempt loads the engine in a process of its own: a native library may take it along.
 * @param onUnavailable told of each engine that failed and has another after it.
 * @param order what `auto` tries; default: `autoOrder`.
 * @throws Error of the only attempt, or one that names the reasons of all.
 */
export async function firstThatLoads<T>(
  choice: EngineChoice,
  attempt: (engine: OneEngine) => Promise<T>,
  onUnavailable: (engine: OneEngine, reason: string) => void,
  order?: readonly EngineName[],
): Promise<T> {
  if (choice !== 'auto') return attempt(choice);
  const reasons: string[] = [];
  const inTurn = order ?? (await autoOrder());
  for (const engine of inTurn) {
    try {
      return await attempt(engine);
    } catch (error) {
      reasons.push(`${engine}: ${reasonOf(error)}`);
      if (engine !== inTurn.at(-1)) onUnavailable(engine, reasonOf(error));
    }
  }
  throw new Error(`no engine loads: ${reasons.join('; ')}`);
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string;
