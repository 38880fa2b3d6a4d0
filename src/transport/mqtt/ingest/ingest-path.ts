import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { RetaggerError } from '../../../errors.ts';

/**
 * The file that a sender's `path` names.
 * @param dir the ingest folder, absolute.
 * @param path relative to it, as the sender wrote it.
 * @throws RetaggerError `request_invalid` for a path that leads, or could lead, out of the folder
 *   or to anything but a regular file; `file_missing`.
 */
export async function resolveIngestPath(dir: string, path: string): Promise<string> {
  if (path.includes('\0')) throw invalid('"path" has a NUL character.');
  const names = path.split('/');
  if (names.some((name) => name === '' || name === '.' || name === '..')) {
    throw invalid('"path" is relative to the ingest folder, without ".", ".." or empty parts.');
  }
  const root = await existing(realpath(dir));
  const file = join(root, ...names);
  // Any link on the way would make it another path; whether it stays inside is not worth a race.
  if ((await existing(realpath(file))) !== file) throw invalid('"path" leads through a link.');
  const stats = await existing(lstat(file));
  if (!stats.isFile()) throw invalid('"path" is not a regular file.');
  // As the watch folder names it, which may itself be a link: one file has one name.
  return join(dir, ...names);
}

const invalid = (detail: string) => new RetaggerError('request_invalid', detail);

async function existing<T>(look: Promise<T>): Promise<T> {
  try {
    return await look;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new RetaggerError('file_missing');
    if (code === 'ENAMETOOLONG' || code === 'ELOOP') throw invalid(`"path": ${code}.`);
    throw new RetaggerError('file_missing', `The file cannot be read: ${code}.`, { cause: error });
  }
}
