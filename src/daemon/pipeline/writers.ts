import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { RetaggerError } from '../../errors.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';

/**
 * A file that fails is given so many settle times after its last change before that is its fate. A damaged
 * picture more than what is none: `scp -l 200` pauses for 10 s once it has sent the first 255 KB.
 */
const GRACE = { image_corrupt: 50, image_unsupported: 10 };
const MAX_GRACE_MS = 15_000;
/** Its writer may go on at any time. */
const LOOKS_OF_GRACE = 5;
/** One whose writing has taken long already, so many times as long again, but no longer than this. */
const SLOW_GRACE = 2;
const MAX_SLOW_GRACE_MS = 60_000;
/** Looks at a file that keeps changing; with the waits in between about two minutes. */
const MAX_LOOKS = 30;
/** A photo that grows is looked at on, down to so many looks: `limits.upload_bytes` ends its growth. */
const LOOKS_OF_GROWING = 15;
const MAX_WAIT_MS = 5000;

/** Half a file fails with these. */
export const mayBeHalf = (code: string): code is keyof typeof GRACE => code in GRACE;

/** What was seen of a file at the last look. */
export interface Look {
  readonly size: number;
  readonly mtimeMs: number;
  readonly number: number;
}

/**
 * A watched file that does not decode may be one that is still being written: network shares set
 * the full size first and pause in the middle. It was renamed, but its writer has it open.
 *
 * @param last the previous look; at first what was seen when the file was taken.
 * @returns how long to wait before the next try, or null when the file is what it is.
 */
export async function stillWritten(
  entry: SpoolEntry,
  error: RetaggerError,
  last: Look,
  settleMs: number,
): Promise<{ waitMs: number; look: Look } | null> {
  if (entry.body === 'upload') return null;
  const { code } = error;
  if (!mayBeHalf(code)) return null;
  const now = await stat(entry.path).catch(() => null);
  if (now === null) return null;
  // A text that grows is a log, and no photo yet to come.
  const grows = now.size > last.size && code === 'image_corrupt';
  const number = (grows ? Math.min(last.number, LOOKS_OF_GROWING) : last.number) + 1;
  const look = { size: now.size, mtimeMs: now.mtimeMs, number };
  const changed = now.size !== last.size || now.mtimeMs !== last.mtimeMs;
  const age = Date.now() - now.mtimeMs;
  const grace = graceOf(now, GRACE[code] * settleMs);
  // A clock that disagrees says nothing about the file; ours has whole milliseconds, the file's has parts.
  const young = age > -1 && age < grace;
  if ((!changed && !young) || number > MAX_LOOKS) return null;
  const waitMs = changed
    ? Math.min(Math.max(settleMs, 100) * look.number, MAX_WAIT_MS)
    : Math.min(grace - age, grace / LOOKS_OF_GRACE);
  return { waitMs, look };
}

/** @returns milliseconds since its last change that a file may be half: slow links pause for seconds. */
function graceOf({ birthtimeMs, mtimeMs }: Stats, usualMs: number): number {
  const usual = Math.min(usualMs, MAX_GRACE_MS);
  // Where the file system does not know when it was made, this is no number of use.
  const tookMs = birthtimeMs > 0 ? mtimeMs - birthtimeMs : 0;
  return Math.max(usual, Math.min(SLOW_GRACE * tookMs, MAX_SLOW_GRACE_MS));
}
