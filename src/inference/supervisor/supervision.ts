import type { Memory } from '../memory.ts';

/** The supervisor's rules of thumb, as plain arithmetic. */

const MiB = 1024 * 1024;
const MAX_BACKOFF_MS = 30_000;
/** A worker may always grow by so much over what it takes when fresh. */
const HEADROOM_BYTES = 48 * MiB;

/** Wait before the next start, in ms: none after a single fault, then doubling. */
export const backoffMs = (faultsInARow: number): number =>
  faultsInARow <= 1 ? 0 : Math.min(MAX_BACKOFF_MS, 250 * 2 ** (faultsInARow - 2));

/**
 * Bytes of resident memory above which a worker is replaced: what the limit leaves beside this
 * process and the replacement, since for a moment there are two workers.
 */
export const memoryShare = (limit: number, daemon: number, fresh: Memory): number =>
  Math.max(limit - daemon - fresh.own, fresh.total + HEADROOM_BYTES);

/**
 * Whether a worker may load its engine a second time, which takes no more than a fresh worker has for
 * its own; it never takes the last room.
 */
export const secondFits = (limit: number, daemon: number, now: Memory, fresh: Memory): boolean =>
  daemon + now.total + fresh.own + HEADROOM_BYTES <= limit;

const PAUSE_MS = 60_000;

/** The wait after a replacement, or two inferences at once, that did not load or had no room. */
export class Pause {
  #until = 0;

  begin(): void {
    this.#until = performance.now() + PAUSE_MS;
  }

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }
}
