import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { ConfigError } from './load.ts';
import type { Config } from './schema.ts';

/** Folders of ours below `data.dir` that hold photos, results or what is on its way. */
export const OWN_FOLDERS = ['spool', 'outbox', 'tagged', 'failed'];

/**
 * Photos moved into a watched folder would be taken again, for ever, and our own files are none.
 * @throws ConfigError
 */
export function checkFolders(config: Config): void {
  if (!config.ingest.watch) return;
  const inside = (child: string, parent: string) => !/^\.\.(\/|$)/.test(relative(parent, child));
  const ingest = real(config.ingest.dir);
  for (const name of [...OWN_FOLDERS, 'mqtt', 'cache']) {
    const own = join(config.data.dir, name);
    if (!inside(real(own), ingest) && !inside(ingest, real(own))) continue;
    throw new ConfigError(
      `ingest.dir: "${config.ingest.dir}" is not allowed; it must not hold or lie in ${own}`,
    );
  }
}

/** Links followed, as far as there is something. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(real(above), basename(path));
  }
}
