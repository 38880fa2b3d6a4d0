import { join } from 'node:path';
import { writeStream } from '../daemon/spool/body.ts';
import { scratchFolder } from './scratch-folder.ts';

/** How a command line names standard input. */
export const STANDARD_INPUT = '-';

/**
 * Standard input as a file, which the worker can read; it goes when this process exits.
 * @param limit bytes.
 * @throws RetaggerError as `writeStream`.
 */
export async function fileOfStandardInput(limit: number): Promise<string> {
  const path = join((await scratchFolder('retagger-tag-')).path, 'photo');
  await writeStream(process.stdin, path, limit, false);
  return path;
}
