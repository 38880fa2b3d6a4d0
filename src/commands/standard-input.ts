import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { tooManyBytes } from '../errors.ts';

/** How a command line names standard input. */
export const STANDARD_INPUT = '-';

/**
 * Standard input as a file, which the worker can read; it goes when this process exits.
 * @param limit bytes.
 * @throws RetaggerError `image_too_large`.
 */
export async function fileOfStandardInput(limit: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'retagger-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'photo');
  await pipeline(process.stdin, atMost(limit), createWriteStream(path));
  return path;
}

const atMost = (limit: number) =>
  async function* (chunks: AsyncIterable<Buffer>) {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > limit) throw tooManyBytes(limit);
      yield chunk;
    }
  };
