import { open } from 'node:fs/promises';
import { isCode } from './system-errors.ts';

/** For what was not written with `flush`: that a power cut does not undo it. */

/** Makes a file's bytes durable. */
export async function syncFile(path: string): Promise<void> {
  // For reading: a copy of a read-only file is one too.
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  try {
    await syncFile(path);
  } catch (error) {
    // Some file systems (CIFS, FUSE) cannot sync a folder; there is nothing better to do there.
    if (!isCode(error, 'EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM')) throw error;
  }
}
