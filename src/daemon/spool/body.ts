import { createWriteStream } from 'node:fs';
import {
  constants,
  type FileHandle,
  lstat,
  open,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { RetaggerError, tooManyBytes } from '../../errors.ts';
import { syncFile } from '../../files/durable.ts';
import { isCode, isDiskTrouble } from '../../files/system-errors.ts';
import { type AnyPath, printable } from '../paths.ts';
import type { Move } from '../ports.ts';
import { inItsFolder } from './held-folder.ts';
import { lookAt, type Origin, same } from './origin.ts';

/** How a photo's bytes get into the spool. */

const MODE = 0o640;
/** Chunks of an upload are written so many bytes at a time: small photos at once. */
const WRITE_BYTES = 256 * 1024;
/** Or so many: one of a single byte takes a hundred times that while it is held. */
const WRITE_CHUNKS = 1024;
/** Copies of a file that changes under our hands; the last counts, and the change is seen later. */
const MAX_COPIES = 3;

/** @param flush whether the bytes must be durable when this resolves. */
export async function writeBytes(bytes: Uint8Array, path: string, limit: number, flush: boolean) {
  if (bytes.byteLength > limit) throw tooManyBytes(limit);
  await writeFile(path, bytes, { mode: MODE, flush });
  return bytes.byteLength;
}

/**
 * @returns bytes written.
 * @throws RetaggerError `image_too_large` as soon as the limit is passed; `request_invalid` where
 *   the sender broke off.
 */
export async function writeStream(
  source: AsyncIterable<Buffer>,
  path: string,
  limit: number,
  flush: boolean,
): Promise<number> {
  let size = 0;
  let held: Buffer[] = [];
  let heldBytes = 0;
  const file = await open(path, 'w', MODE);
  const drain = async () => {
    await writeAll(file, held, heldBytes);
    held = [];
    heldBytes = 0;
  };
  try {
    for await (const chunk of source) {
      size += chunk.byteLength;
      heldBytes += chunk.byteLength;
      if (size > limit) throw tooManyBytes(limit);
      held.push(chunk);
      if (heldBytes >= WRITE_BYTES || held.length >= WRITE_CHUNKS) await drain();
    }
    await drain();
    if (flush) await file.sync();
  } catch (error) {
    if (error instanceof RetaggerError || isDiskTrouble(error)) throw error;
    throw new RetaggerError('request_invalid', 'The upload broke off.', { cause: error });
  } finally {
    await file.close();
  }
  return size;
}

/**
 * Writes chunks as they are. Joining them first would make as much garbage again, and V8 answers
 * garbage outside its heap with full collections: one every four photos of 12 megapixels.
 * @param bytes of all chunks.
 */
export async function writeAll(
  file: Pick<FileHandle, 'writev' | 'writeFile'>,
  chunks: readonly Uint8Array[],
  bytes: number,
): Promise<void> {
  const { bytesWritten } = await file.writev(chunks);
  // A disk that is just full takes a part; writing the rest says why.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(chunks).subarray(bytesWritten));
}

/** What `moveInto` made of the file. */
export interface Moved {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** `kept`: the file stayed in its place. */
  readonly body: 'moved' | 'kept';
  /** The file a copy was made of; it is still there. */
  readonly origin?: Origin;
}

/**
 * Swapped for a link or pipe between the door's look and ours: following it could read any file or
 * block for ever.
 */
const notRegular = () => new RetaggerError('image_unsupported', 'This is not a regular file.');

/**
 * Renames a file to `target`, or copies it where that is another file system; the original then
 * stays. One over the limit is not copied but left in its place.
 * @param onCopied called with the original when its copy is complete, before that has its name.
 */
export async function moveInto(
  { move: path, below }: Move,
  target: string,
  limit: number,
  onCopied: (origin: Origin) => Promise<void>,
): Promise<Moved> {
  const take = <T>(work: (from: AnyPath) => Promise<T>) =>
    below === undefined ? work(path) : inItsFolder(path, below, work);
  let origin: Origin | undefined;
  try {
    await take((from) => rename(from, target));
  } catch (error) {
    if (!isCode(error, 'EXDEV')) throw error;
    const stats = await lstat(path);
    if (!stats.isFile()) throw notRegular();
    const { size, mtimeMs } = stats;
    if (size > limit) return { path: printable(path), size, mtimeMs, body: 'kept' };
    const partial = target.replace(/\.photo$/, '.part');
    origin = { ...(await take((from) => copyAcross(from, partial))), path };
    await onCopied(origin);
    await rename(partial, target);
  }
  const stats = await lstat(target);
  if (!stats.isFile()) {
    // A folder may have photos in it, and would be in the way here at every start.
    await (stats.isDirectory() ? take((from) => rename(target, from)) : unlink(target));
    throw notRegular();
  }
  // Who wrote it may not have waited for the disk; then a power cut would leave its name, and no bytes.
  if (origin === undefined) await syncFile(target);
  const { size, mtimeMs } = stats;
  return { path: target, size, mtimeMs, body: 'moved', ...(origin && { origin }) };
}

/** @returns the file as it was copied. */
async function copyAcross(path: AnyPath, to: string): Promise<Origin> {
  let before = await lookAt(path);
  for (let copies = 1; ; copies++) {
    await copyRegular(path, to);
    const after = await lookAt(path);
    if (same(before, after) || copies === MAX_COPIES) return before;
    before = after;
  }
}

/**
 * For reading; never through a link that was put in its place since the door's look: it could lead to
 * any file that we may read. @throws RetaggerError `image_unsupported`; system errors.
 */
export async function openRegular(path: AnyPath): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error) => {
    throw isCode(error, 'ELOOP') ? notRegular() : error;
  });
  let isFile = false;
  try {
    isFile = (await file.stat()).isFile();
  } finally {
    if (!isFile) await file.close();
  }
  if (!isFile) throw notRegular();
  return file;
}

async function copyRegular(from: AnyPath, to: string): Promise<void> {
  const source = await openRegular(from);
  try {
    const { mode } = await source.stat();
    const copy = createWriteStream(to, { mode: mode & 0o777 });
    await pipeline(source.createReadStream({ autoClose: false }), copy);
  } finally {
    await source.close();
  }
  await syncFile(to);
}
