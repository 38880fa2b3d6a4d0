import { statfs } from 'node:fs/promises';
import { type Check, fail, mebibytes, ok, warn } from './check.ts';
import { existing } from './folders.ts';

export const disk: Check = {
  name: 'disk',
  startup: false,
  async run({ data, limits }) {
    const { bavail, bsize, files, ffree } = await statfs(await existing(data.dir));
    const free = bavail * bsize;
    const least = limits.disk_free_bytes;
    const detail = `${mebibytes(free)} free for ${data.dir}; nothing is accepted below ${mebibytes(least)}`;
    const advice = `Remove or move away old photos below ${data.dir}/tagged and ${data.dir}/failed.`;
    if (free < least) return fail(detail, advice);
    // Some file systems (btrfs) have no fixed number of inodes and report 0.
    if (files > 0 && ffree < 1000) return fail(`only ${ffree} inodes are free`, advice);
    if (free < 4 * least) return warn(detail, advice);
    return ok(detail);
  },
};
