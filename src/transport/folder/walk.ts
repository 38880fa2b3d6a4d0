import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { isIgnoredFile, isIgnoredFolder } from './names.ts';

const SLASH = Buffer.from('/');
/** Deeper is a loop or a mistake. */
const MAX_DEPTH = 64;

export const joinPath = (folder: Buffer, name: Buffer): Buffer =>
  Buffer.concat([folder, SLASH, name]);

/** What a walk meets: files and folders are told apart by the caller's own look. */
export interface Visitor {
  /** Before a folder's entries are read. */
  folder(path: Buffer): void;
  /** Anything else that is not ignored. The walk waits: this is where backpressure acts. */
  file(path: Buffer): Promise<void>;
  /** A folder that cannot be read. */
  unreadable(path: Buffer, error: Error): void;
  /** A folder so deep that it is not entered. */
  tooDeep(path: Buffer): void;
  readonly signal: AbortSignal;
}

/**
 * Reads a folder tree entry by entry, in memory that grows neither with the number of files nor with that
 * of folders: one is walked as soon as it is met.
 */
export async function walk(folder: Buffer, visitor: Visitor, depth = 0): Promise<void> {
  if (visitor.signal.aborted) return;
  visitor.folder(folder);
  try {
    // Names as bytes: not every file system holds UTF-8.
    const entries = (await opendir(folder, {
      encoding: 'buffer' as BufferEncoding,
      bufferSize: 256,
    })) as unknown as AsyncIterable<Dirent<Buffer>>;
    for await (const entry of entries) {
      if (visitor.signal.aborted) return;
      const name = entry.name.toString('utf8');
      const child = joinPath(folder, entry.name);
      if (entry.isDirectory()) {
        if (isIgnoredFolder(name)) continue;
        if (depth < MAX_DEPTH) await walk(child, visitor, depth + 1);
        else visitor.tooDeep(child);
      } else if (!isIgnoredFile(name)) {
        await visitor.file(child);
      }
    }
  } catch (error) {
    if (visitor.signal.aborted) return;
    visitor.unreadable(folder, error as Error);
  }
}
