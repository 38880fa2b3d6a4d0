import type { ModelBundle } from './bundle.ts';
import type { Engine, EngineFactory, EngineName, EngineOptions } from './engine.ts';

/** What may be asked for. `reference` is for measuring, not for users. */
export type EngineChoice = EngineName | 'auto' | 'reference';

/** Each engine's code and native parts are loaded only when it is asked for. */
const FACTORIES: Readonly<Record<Exclude<EngineChoice, 'auto'>, () => Promise<EngineFactory>>> = {
  onnxruntime: async () => (await import('./engines/onnxruntime.ts')).createOnnxruntimeEngine,
  'tfjs-node': async () => (await import('./engines/tfjs-node.ts')).createTfjsNodeEngine,
  wasm: async () => (await import('./engines/wasm.ts')).createWasmEngine,
  reference: async () => (await import('./engines/reference.ts')).createReferenceEngine,
};

/** Fastest first. tfjs-node is left out: slower than onnxruntime, and where that does not load it
 * hardly does either. */
export const AUTO: readonly EngineName[] = ['onnxruntime', 'wasm'];

/**
 * Loads the named engine, or the first of `auto` that loads.
 * @param onUnavailable told of each engine of `auto` that did not load.
 * @throws Error that says for each engine tried why it did not load.
 */
export async function loadEngine(
  choice: EngineChoice,
  bundle: ModelBundle,
  options: EngineOptions = {},
  onUnavailable: (engine: EngineName, reason: string) => void = () => {},
): Promise<Engine> {
  if (choice !== 'auto') {
    try {
      return await (await FACTORIES[choice]())(bundle, options);
    } catch (error) {
      throw new Error(`engine ${choice} does not load: ${reasonOf(error)}`, { cause: error });
    }
  }
  const reasons: string[] = [];
  for (const name of AUTO) {
    try {
      return await (await FACTORIES[name]())(bundle, options);
    } catch (error) {
      onUnavailable(name, reasonOf(error));
      reasons.push(`${name}: ${reasonOf(error)}`);
    }
  }
  throw new Error(`no engine loads: ${reasons.join('; ')}`);
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] as string;
