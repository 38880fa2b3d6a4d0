import { setTimeout as sleep } from 'node:timers/promises';
import { mayPass } from '../../files/system-errors.ts';

const FIRST_MS = 200;
const LONGEST_MS = 15_000;

/**
 * Does disk work until the disk lets it: full, read-only and absent disks come back, and what is in
 * the way of a folder can be taken out of it.
 * @param onTrouble called for each failed try.
 * @throws what will not pass, and the last trouble once `signal` is aborted.
 */
export async function whileTrouble<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  onTrouble: (error: unknown, tries: number) => void,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error)) throw error;
      onTrouble(error, tries);
      if (signal.aborted) throw error;
      const wait = Math.min(FIRST_MS * 2 ** (tries - 1), LONGEST_MS);
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }
}
