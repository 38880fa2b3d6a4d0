import { mkdir } from 'node:fs/promises';

/**
 * Makes a folder of the daemon's own, with those above it: closed to others, whatever the umask.
 * @returns the first that was made; undefined where all were there.
 */
export const makeOwnFolder = (path: string): Promise<string | undefined> =>
  mkdir(path, { recursive: true, mode: 0o750 });
