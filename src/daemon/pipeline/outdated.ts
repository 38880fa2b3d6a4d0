import { stat } from 'node:fs/promises';
import { sha256OfFile } from '../../files/file-hash.ts';
import type { Outcome } from '../ports.ts';
import { isStill, whatIsThere } from '../spool/origin.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';
import { mayBeHalf } from './writers.ts';

/**
 * Whether a photo of the folder is another one by now, which the folder takes, or has taken, as
 * such: then this one has no outcome.
 *
 * A file that stays in its place is what it was when it was taken, or it is not the same photo. Of
 * one that was copied the copy stays what it is; only where it is half a file does it count that
 * its writer went on since, or gave up and deleted it.
 */
export async function isOutdated(taken: SpoolEntry, outcome: Outcome): Promise<boolean> {
  const { source, body, path, origin } = taken;
  if (source !== 'folder') return false;
  try {
    if (body === 'kept') {
      const { size, mtimeMs } = await stat(path);
      return size !== taken.size || mtimeMs !== taken.mtimeMs;
    }
    if (outcome.ok || !mayBeHalf(outcome.failure.code) || origin === undefined) return false;
    const now = await whatIsThere(origin);
    return now === null || !(await isStill(now, origin, () => sha256OfFile(path)));
  } catch {
    // Nobody can tell, as where its disk is away: then it has the outcome it has.
    return false;
  }
}
