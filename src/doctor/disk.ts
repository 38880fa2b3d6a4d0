import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { type Check, type Finding, fail, mebibytes, ok, warn } from './check.ts';
import { existing } from './folders.ts';

export const disk: Check = {
  name: 'disk',
  async run({ data, limits }) {
    return diskFinding(await statfs(await existing(data.dir)), data.dir, limits.disk_free_bytes);
  },
};

/** @param least `limits.disk_free_bytes` */
export function diskFinding(
  { bavail, bsize, files, ffree }: Pick<StatsFs, 'bavail' | 'bsize' | 'files' | 'ffree'>,
  dir: string,
  least: number,
): Finding {
  const free = bavail * bsize;
  const detail = `${mebibytes(free)} free for ${dir}; nothing is accepted below ${mebibytes(least)}`;
  const advice = `Remove or move away old photos below ${dir}/tagged and ${dir}/failed; data.keep_days does so by itself.`;
  if (free < least) return fail(detail, advice);
  // Some file systems (btrfs) have no fixed number of inodes and report 0.
  if (files > 0 && ffree < 1000) return fail(`only ${ffree} inodes are free`, advice);
  if (free < 4 * least) return warn(detail, advice);
  return ok(detail);
}
