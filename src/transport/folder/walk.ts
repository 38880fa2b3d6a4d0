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

/** Reads a folder tree entry by entry, in memory that does not grow with the number of files. */
export async function walk(root: Buffer, visitor: Visitor): Promise<void> {
  const open: { path: Buffer; depth: number }[] = [{ path: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (visitor.signal.aborted) return;
    const { path, depth } = next;
    visitor.folder(path);
    try {
      // Names as bytes: not every file system holds UTF-8.
      const entries = (await opendir(path, {
        encoding: 'buffer' as BufferEncoding,
        bufferSize: 256,
      })) as unknown as AsyncIterable<Dirent<Buffer>>;
      for await (const entry of entries) {
        if (visitor.signal.aborted) return;
        const name = entry.name.toString('utf8');
        const child = joinPath(path, entry.name);
        if (entry.isDirectory()) {
          if (isIgnoredFolder(name)) continue;
          if (depth < MAX_DEPTH) open.push({ path: child, depth: depth + 1 });
          else visitor.tooDeep(child);
        } else if (!isIgnoredFile(name)) {
          await visitor.file(child);
        }
      }
    } catch (error) {
      if (visitor.signal.aborted) return;
      visitor.unreadable(path, error as Error);
    }
  }
}
