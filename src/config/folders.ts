import { join } from 'node:path';
import { overlap } from '../files/real-path.ts';
import { ConfigError } from './config-error.ts';
import type { Config } from './schema.ts';

/** Folders of ours below `data.dir` that hold photos, results or what is on its way. */
export const OWN_FOLDERS = ['spool', 'outbox', 'tagged', 'failed'];

/**
 * Photos moved into a watched folder would be taken again, for ever, and our own files are none.
 * @throws ConfigError
 */
export function checkFolders(config: Config): void {
  if (!config.ingest.watch) return;
  for (const name of [...OWN_FOLDERS, 'mqtt', 'cache']) {
    const own = join(config.data.dir, name);
    if (!overlap(own, config.ingest.dir)) continue;
    throw new ConfigError(
      `ingest.dir: "${config.ingest.dir}" is not allowed; it must not hold or lie in ${own}`,
    );
  }
}
