import { isDeepStrictEqual } from 'node:util';
import { CONFIG_KEYS } from './keys.ts';
import type { Config } from './schema.ts';

/** What SIGHUP changes in a running daemon; every other key needs a restart. */
export const LIVE_KEYS: readonly string[] = ['model.dir', 'ingest.after'];

/** Paths of the keys in which two configurations differ. */
export function changedKeys(one: Config, other: Config): string[] {
  return CONFIG_KEYS.map(({ path }) => path).filter(
    (path) => !isDeepStrictEqual(valueAt(one, path), valueAt(other, path)),
  );
}

function valueAt(config: Config, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config);
}
