import { isDeepStrictEqual } from 'node:util';
import { Value } from 'typebox/value';
import { CONFIG_KEYS } from './keys.ts';
import type { Config } from './schema.ts';

/** What SIGHUP changes in a running daemon. */
const LIVE_KEYS: readonly string[] = ['model.dir', 'ingest.after', 'ingest.xmp'];

/** Paths of the keys in which two configurations differ and that change at the next start only. */
export function forNextStart(now: Config, next: Config): string[] {
  const changed = CONFIG_KEYS.filter(
    ({ pointer }) =>
      !isDeepStrictEqual(Value.Pointer.Get(now, pointer), Value.Pointer.Get(next, pointer)),
  ).map(({ path }) => path);
  // Photos that stay where they are must be remembered, from the start on.
  const keep = [now, next].some(({ ingest }) => ingest.after === 'keep');
  const live = keep ? LIVE_KEYS.filter((path) => path !== 'ingest.after') : LIVE_KEYS;
  return changed.filter((path) => !live.includes(path));
}
