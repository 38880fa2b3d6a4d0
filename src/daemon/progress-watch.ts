import { MAX_TRIES } from '../inference/supervisor/photo-jobs.ts';
import { loadMs } from '../inference/supervisor/workers.ts';
import type { TaggingPipeline } from './pipeline/pipeline.ts';

export interface ProgressParts {
  readonly pipeline: Pick<TaggingPipeline, 'underWay' | 'onOutcome'>;
  /** True while work waits for something that a restart does not mend: a full disk, the model. */
  readonly excused: () => boolean;
  /** `limits.photo_seconds` */
  readonly photoSeconds: number;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/**
 * Tells a daemon that works from one that only lives: with photos waiting, one must end within
 * the time that its tries and the worker's restarts between them may take.
 */
export class ProgressWatch {
  readonly #parts: ProgressParts;
  readonly #now: () => number;
  readonly #deadlineMs: number;
  #last: number;

  constructor(parts: ProgressParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
    this.#deadlineMs = MAX_TRIES * (parts.photoSeconds * 1000 + loadMs(parts.photoSeconds));
    this.#last = this.#now();
    parts.pipeline.onOutcome(() => {
      this.#last = this.#now();
    });
  }

  /** To be asked regularly: an idle moment counts as progress only when it is seen. */
  alive(): boolean {
    if (this.#parts.pipeline.underWay === 0 || this.#parts.excused()) this.#last = this.#now();
    return this.#now() - this.#last <= this.#deadlineMs;
  }
}
