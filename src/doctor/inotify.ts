import { readFile } from 'node:fs/promises';
import { type Check, ok, warn } from './check.ts';

const LEAST = { max_user_watches: 8192, max_user_instances: 64 } as const;

export const inotify: Check = {
  name: 'inotify',
  startup: false,
  async run({ ingest }) {
    if (!ingest.watch) return ok('no folder is watched');
    const low: string[] = [];
    const seen: string[] = [];
    for (const [name, least] of Object.entries(LEAST)) {
      const text = await readFile(`/proc/sys/fs/inotify/${name}`, 'utf8').catch(() => null);
      if (text === null) return ok('this system has no inotify limits to read');
      seen.push(`${name} ${text.trim()}`);
      if (Number(text) < least) low.push(`fs.inotify.${name}=${least}`);
    }
    if (low.length === 0) return ok(seen.join(', '));
    return warn(
      seen.join(', '),
      `Photos may be seen only every ingest.rescan_s (${ingest.rescan_s} s): sysctl -w ${low.join(' ')}, and keep it in /etc/sysctl.d/.`,
    );
  },
};
