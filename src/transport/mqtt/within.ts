import { setTimeout } from 'node:timers/promises';

/** Resolves when the work is done, however, or the time is up. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  await Promise.race([work.catch(() => {}), setTimeout(ms, null, { signal: late.signal })]);
  late.abort();
}
