import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { RetaggerError, tooManyBytes } from '../errors.ts';
import { acquireBuffer } from './buffer-pool.ts';

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file.',
  ENOTDIR: 'There is no such file.',
  ELOOP: 'There is no such file, but links that lead to each other.',
  ENAMETOOLONG: 'There is no such file; its name or path is too long.',
  ENXIO: 'It is a socket, no file.',
  EACCES: 'The file may not be read by this user.',
  EPERM: 'The file may not be read by this user.',
};

/**
 * A photo's bytes, read without ever holding more than the limit; whoever is done with them may give
 * them back to `buffer-pool.ts`.
 * @throws RetaggerError `image_too_large`, `file_missing`.
 */
export async function readPhoto(path: string, maxBytes: number): Promise<Buffer> {
  // Without waiting: opening a named pipe would block until someone writes to it.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    const reason = UNREADABLE[error.code ?? ''];
    if (reason === undefined) throw error;
    throw new RetaggerError('file_missing', reason, { cause: error });
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new RetaggerError('image_unsupported', 'Not a regular file.');
    if (stat.size > maxBytes) throw tooManyBytes(maxBytes);
    const bytes = acquireBuffer(stat.size);
    let read = 0;
    for (let more = 1; more > 0 && read < bytes.length; read += more) {
      more = (await file.read(bytes, read, bytes.length - read)).bytesRead;
    }
    return bytes.subarray(0, read);
  } finally {
    // Nobody waits for it.
    file.close().catch(() => {});
  }
}
