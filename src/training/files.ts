import { rename, rm, writeFile } from 'node:fs/promises';

/** Writes through to the disk before it takes the place of what was there. @throws Error that names the file. */
export async function writeFileSafely(path: string, bytes: Uint8Array | string): Promise<void> {
  const draft = `${path}.tmp`;
  try {
    await writeFile(draft, bytes, { flush: true });
    await rename(draft, path);
  } catch (error) {
    // On a full disk it would only be in the way.
    await rm(draft, { force: true }).catch(() => {});
    throw namingFile(error, path);
  }
}

/** What the system says of an open file does not name it. */
export const namingFile = (error: unknown, path: string, cure = ''): Error =>
  new Error(`${path}: ${(error as Error).message}${cure}`, { cause: error });
