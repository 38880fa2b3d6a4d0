import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import type { Part } from './ports.ts';

/**
 * Keeps a second daemon off the same data folder. The lock is an abstract Unix socket named after
 * the folder's inode: the kernel gives it to one process and takes it back when that one ends,
 * however it ends, so no stale lock can block a start after a power cut. Containers with network
 * namespaces of their own do not see each other's.
 */
export class DataLock implements Part {
  readonly name = 'lock';
  readonly #dir: string;
  #server: Server | null = null;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws Error where another daemon has the folder. */
  async start(): Promise<void> {
    if (process.platform !== 'linux') return;
    const { dev, ino } = await stat(this.#dir, { bigint: true });
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EADDRINUSE') return reject(error);
        reject(new Error(`another retagger already runs with data.dir ${this.#dir}`));
      });
      server.listen(`\0retagger-${dev}-${ino}`, resolve);
    });
    server.unref();
    this.#server = server;
  }

  async stop(): Promise<void> {
    this.#server?.close();
    this.#server = null;
  }
}
