import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * The text of a file that has few bytes where all is well: one of gigabytes would take the memory of the
 * whole service, and a named pipe would be waited for, for ever.
 * @param most bytes.
 * @throws SyntaxError where it has more, or is no regular file; system errors.
 */
export async function readSmallFile(path: string, most: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new SyntaxError('it is not a regular file');
    if (stats.size > most) throw new SyntaxError(`it has more than ${most} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
