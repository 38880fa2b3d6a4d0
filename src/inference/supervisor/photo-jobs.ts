import { RetaggerError } from '../../errors.ts';
import type { Tagging } from '../tagger.ts';

/** How a worker failed the photos it had. */
export type Fault = 'worker_crashed' | 'worker_timeout';

/** Tries a photo has; each counts on which the worker died or hung. */
export const MAX_TRIES = 3;

/** One photo on its way through the supervisor. */
export interface PhotoJob {
  readonly path: string;
  readonly resolve: (tagging: Tagging) => void;
  readonly reject: (error: RetaggerError) => void;
  /** Tries lost so far. */
  lost: number;
}

/**
 * Photos that wait for a worker, and the rule that keeps the innocent from being blamed: every
 * photo a dead worker had is a suspect, and suspects are tried again alone, one after the other.
 * Only the photo that did it can lose another try then.
 */
export class PhotoJobs {
  #fresh: PhotoJob[] = [];
  #suspects: PhotoJob[] = [];

  /** Photos no worker has had yet. */
  get waiting(): number {
    return this.#fresh.length;
  }

  add(job: PhotoJob): void {
    this.#fresh.push(job);
  }

  /** Whether one waits, or the worker has it. */
  hasSuspect(inFlight: ReadonlySet<PhotoJob>): boolean {
    return this.#suspects.length > 0 || [...inFlight].some((job) => job.lost > 0);
  }

  /** The next photo for a worker that has `inFlight` already; undefined where it should wait. */
  next(inFlight: ReadonlySet<PhotoJob>, concurrency: number): PhotoJob | undefined {
    if (inFlight.size >= concurrency) return undefined;
    if (!this.hasSuspect(inFlight)) return this.#fresh.shift();
    return inFlight.size === 0 ? this.#suspects.shift() : undefined;
  }

  /** Takes back what a worker had when it ended; photos without a try left are rejected. */
  takeBack(inFlight: ReadonlySet<PhotoJob>, fault: Fault): void {
    for (const job of inFlight) {
      job.lost += 1;
      if (job.lost >= MAX_TRIES) job.reject(new RetaggerError(fault));
      else this.#suspects.push(job);
    }
  }

  /** Rejects all that wait. */
  rejectAll(error: RetaggerError): void {
    for (const job of [...this.#suspects, ...this.#fresh]) job.reject(error);
    this.#fresh = [];
    this.#suspects = [];
  }
}
