import { join, relative } from 'node:path';
import { ConfigError } from './load.ts';
import type { Config } from './schema.ts';

/** Folders of ours below `data.dir` that hold photos, results or what is on its way. */
export const OWN_FOLDERS = ['spool', 'outbox', 'tagged', 'failed'];

/** Photos moved into a watched folder would be taken again, for ever. @throws ConfigError */
export function checkFolders(config: Config): void {
  if (!config.ingest.watch) return;
  const inside = (child: string, parent: string) => !/^\.\.(\/|$)/.test(relative(parent, child));
  for (const name of OWN_FOLDERS) {
    const own = join(config.data.dir, name);
    if (!inside(own, config.ingest.dir) && !inside(config.ingest.dir, own)) continue;
    throw new ConfigError(
      `ingest.dir: "${config.ingest.dir}" is not allowed; it must not hold or lie in ${own}`,
    );
  }
}
