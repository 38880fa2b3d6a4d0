import type { Outcome } from '../ports.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';
import type { Look } from './writers.ts';

/** One accepted photo on its way. */
export interface Job {
  entry: SpoolEntry;
  /** `performance.now()` at acceptance. */
  readonly since: number;
  readonly outcome: Promise<Outcome>;
  resolve(outcome: Outcome): void;
  reject(error: Error): void;
  /** Resolves when the photo has left the spool. */
  readonly filed: Promise<void>;
  setFiled(): void;
  /** The last look at its file. */
  look: Look;
  /** Tries on which it could not be read. */
  unread: number;
  /** Its outcome is on its way to disk. */
  finishing: boolean;
}

export function newJob(entry: SpoolEntry): Job {
  let resolve: (outcome: Outcome) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const outcome = new Promise<Outcome>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Not every door waits for the outcome.
  outcome.catch(() => {});
  let setFiled = () => {};
  const filed = new Promise<void>((yes) => {
    setFiled = yes;
  });
  return {
    entry,
    since: performance.now() - age(entry),
    ...{ outcome, resolve, reject, filed, setFiled },
    look: { size: entry.size, mtimeMs: entry.mtimeMs, number: 0 },
    unread: 0,
    finishing: false,
  };
}

/** Milliseconds since the photo was received: more than none for one from before a restart. */
function age(entry: SpoolEntry): number {
  const ms = Date.now() - Date.parse(entry.receivedAt);
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
