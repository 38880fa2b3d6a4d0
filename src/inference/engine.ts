import { availableParallelism } from 'node:os';
import type { ModelBundle } from './bundle.ts';
import { type Labelling, toVerdict } from './scores.ts';

/** The engines a user may choose. */
export const ENGINE_NAMES = ['onnxruntime', 'openvino', 'tfjs-node', 'wasm'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];
/** One engine. `reference` is for measuring, not for users. */
export type OneEngine = EngineName | 'reference';
/** What may be asked for. */
export type EngineChoice = OneEngine | 'auto';

/** Side × side × RGB: bytes in one preprocessed photo. */
export const PIXEL_BYTES = 299 * 299 * 3;

/** @throws RangeError for pixels of another size: every engine's first step. */
export function checkPixels(pixels: Uint8Array): void {
  if (pixels.length !== PIXEL_BYTES) {
    throw new RangeError(`expected ${PIXEL_BYTES} bytes of pixels, not ${pixels.length}`);
  }
}

/**
 * For engines with several of what an inference needs: each call gets one to itself.
 * @throws Error where all are in use; the caller knows how many there are, by `Engine.atOnce`.
 */
export function lending<T>(all: readonly T[]): <R>(use: (one: T) => Promise<R>) => Promise<R> {
  const free = [...all];
  return async (use) => {
    const one = free.pop();
    if (one === undefined) throw new Error(`${all.length} inferences at once, not more`);
    try {
      return await use(one);
    } finally {
      free.push(one);
    }
  };
}

/** One thread for each core, at most 4: beyond that the small layers only wait for each other. */
export const defaultThreads = (): number => Math.min(availableParallelism(), 4);

/** A loaded network. */
export interface Engine {
  /** So many calls of `infer` may be under way; the caller waits with more. */
  readonly atOnce: number;
  /**
   * @param pixels RGB, 0..255, row by row, exactly `PIXEL_BYTES` long. The engine scales them.
   * @returns one logit per label, in the bundle's label order. Softmax and temperature are the
   *   caller's (`scores.ts`).
   */
  infer(pixels: Uint8Array): Promise<Float32Array>;
  /** Gives back what it took of memory and threads; none may be under way. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * An engine after its first inferences, which allocate; they also show that it works at all, and that its
 * answer is one for this model's labels.
 * @throws what they throw; the engine is closed then, because a worker goes on with the one it has.
 */
export async function warmed(engine: Engine, manifest: Labelling): Promise<Engine> {
  const grey = new Uint8Array(PIXEL_BYTES).fill(128);
  const first = Array.from({ length: engine.atOnce }, () => engine.infer(grey));
  try {
    for (const logits of await Promise.all(first)) toVerdict(logits, manifest);
    return engine;
  } catch (error) {
    await Promise.allSettled(first);
    await engine.close().catch(() => {});
    throw error;
  }
}

export interface EngineOptions {
  /** In all. */
  readonly threads: number;
  /**
   * Inferences at once, each with its share of the threads; default 1. An engine for which
   * `infersTwice` is false does one.
   */
  readonly atOnce?: number;
  /**
   * Folder for what an engine derives from a bundle to load it sooner; it makes it, and clears away
   * what it left there before.
   */
  readonly cacheDir?: string | undefined;
}

/** One file in `engines/` exports one of these. Throws with a readable reason where it can't load. */
export type EngineFactory = (bundle: ModelBundle, options: EngineOptions) => Promise<Engine>;
