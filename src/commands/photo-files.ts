import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Sidecars and hidden files that lie beside photos. */
const NO_PHOTO = /(^\.|\.json$|\.xmp$)/i;

/**
 * Files as given; folders as the files below them, sorted, without hidden files and sidecars.
 * Links inside a folder are not followed. A path that does not exist is kept: tagging it says so.
 */
export async function expandPhotos(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const stats = await stat(path).catch((): Stats | null => null);
    if (!stats?.isDirectory()) {
      files.push(path);
      continue;
    }
    const entries = await readdir(path, { recursive: true, withFileTypes: true });
    const found = entries.filter((entry) => entry.isFile() && !NO_PHOTO.test(entry.name));
    files.push(...found.map((entry) => join(entry.parentPath, entry.name)).sort());
  }
  return files;
}
