import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';

/**
 * The id of a file in the watch folder: the same file met again after a crash has the same id.
 *
 * A file that is moved away is one photo however it looks: its inode and change time tell it from
 * an equal one dropped later. A file that stays (`keep`) is the same photo for as long as path, size
 * and modification time are; a remount or chmod does not make it new.
 *
 * @param path below the ingest folder.
 */
export function fileId(path: Buffer, stats: Stats, keep: boolean): string {
  const parts = keep
    ? ['keep', stats.size, stats.mtimeMs]
    : ['move', stats.size, stats.mtimeMs, stats.ctimeMs, stats.dev, stats.ino];
  return createHash('sha256')
    .update(parts.join('\0'))
    .update('\0')
    .update(path)
    .digest('hex')
    .slice(0, 32);
}
