import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { type Check, type Finding, ok, warn } from './check.ts';

const LEAST = { max_user_watches: 8192, max_user_instances: 64 } as const;

export const inotify: Check = {
  name: 'inotify',
  run: ({ ingest }) => inotifyFinding(ingest),
};

/** @param dir where the kernel's limits can be read. */
export async function inotifyFinding(
  ingest: Pick<Config['ingest'], 'watch' | 'rescan_s'>,
  dir = '/proc/sys/fs/inotify',
): Promise<Finding> {
  if (!ingest.watch) return ok('no folder is watched');
  const low: string[] = [];
  const seen: string[] = [];
  for (const [name, least] of Object.entries(LEAST)) {
    const text = await readFile(join(dir, name), 'utf8').catch(() => null);
    if (text === null) return ok('this system has no inotify limits to read');
    seen.push(`${name} ${text.trim()}`);
    if (Number(text) < least) low.push(`fs.inotify.${name}=${least}`);
  }
  if (low.length === 0) return ok(seen.join(', '));
  return warn(
    seen.join(', '),
    `Photos may be seen only every ingest.rescan_s (${ingest.rescan_s} s): sysctl -w ${low.join(' ')}, and keep it in /etc/sysctl.d/.`,
  );
}
