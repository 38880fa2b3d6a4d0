import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isNoPhoto } from '../files/no-photo.ts';

/**
 * Files as given; folders as the files below them, sorted, without hidden files and sidecars.
 * Links inside a folder are not followed. A path that does not exist, and a folder that cannot be
 * read, is kept: tagging it says so.
 */
export async function expandPhotos(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const stats = await stat(path).catch((): Stats | null => null);
    if (!stats?.isDirectory()) files.push(path);
    // One by one: more than some 100,000 are too many arguments.
    else for (const file of (await below(path)).sort()) files.push(file);
  }
  return files;
}

async function below(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] | null => null);
  if (entries === null) return [folder];
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) for (const file of await below(path)) files.push(file);
    else if (entry.isFile() && !isNoPhoto(entry.name)) files.push(path);
  }
  return files;
}
