import type { ErrorCode } from '../errors.ts';
import type { ModelBundle } from './bundle.ts';
import type { EngineOptions, OneEngine } from './engine.ts';
import type { ImageLimits } from './preprocess.ts';
import type { Tagging } from './tagger.ts';

/** What the supervisor and its worker say to each other. */

export interface WorkerOptions extends Pick<EngineOptions, 'threads' | 'cacheDir'> {
  /** Read by the supervisor, because validating a manifest takes a library of 25 MB. */
  readonly bundle: ModelBundle;
  readonly engine: OneEngine;
  readonly limits: ImageLimits;
}

export type ToWorker =
  | { readonly type: 'load'; readonly options: WorkerOptions }
  /** So many inferences at once from now on; photos go on meanwhile. One at a time, once loaded. */
  | { readonly type: 'share'; readonly atOnce: number }
  | { readonly type: 'tag'; readonly id: number; readonly path: string };

export type FromWorker =
  | { readonly type: 'ready' }
  /** The model or engine does not load. */
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'shared' }
  /** All goes on as before. */
  | { readonly type: 'unshared'; readonly message: string }
  | { readonly type: 'tagged'; readonly id: number; readonly tagging: Tagging }
  | {
      readonly type: 'refused';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
    };

/**
 * Photos inside a worker at once: those in inference, one or two that are decoded, one on its way so
 * that neither ever waits for the other process.
 * @param atOnce inferences at once, 1 or 2.
 */
export const photosIn = (atOnce: number): number => 1 + 2 * atOnce;
