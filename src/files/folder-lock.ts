import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { accepts } from '../accepts.ts';

/**
 * Keeps other processes off a folder. The lock is an abstract Unix socket named after the folder's
 * inode: the kernel gives it to one process and takes it back when that one ends, however it ends,
 * so no stale lock can block a start after a power cut. Containers with network namespaces of their
 * own do not see each other's. On other systems than Linux nothing is locked.
 * @returns what gives it back.
 * @throws Error with this message where another has it.
 */
export async function lockFolder(dir: string, held: string): Promise<() => void> {
  if (process.platform !== 'linux') return () => {};
  const name = await socketOf(dir);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new Error(held) : error),
    );
    server.listen(name, resolve);
  });
  server.unref();
  return () => void server.close();
}

/**
 * Asks without taking the lock, which would keep a daemon off that starts just then.
 * @returns null where nothing is locked by anyone; false also for a folder that we cannot see.
 */
export async function isLocked(dir: string): Promise<boolean | null> {
  if (process.platform !== 'linux') return null;
  const name = await socketOf(dir).catch(() => null);
  return name !== null && accepts({ path: name });
}

async function socketOf(dir: string): Promise<string> {
  const { dev, ino } = await stat(dir, { bigint: true });
  return `\0retagger-${dev}-${ino}`;
}
