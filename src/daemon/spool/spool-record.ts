import { decodePath, encodePath, type StoredPath } from '../paths.ts';
import type { Body, NewPhoto } from '../ports.ts';
import type { Origin } from './origin.ts';

/** What the spool keeps of a photo besides its bytes: `<key>.json`. */
export interface SpoolRecord {
  readonly id: string;
  readonly source: NewPhoto['source'];
  readonly file: string | null;
  readonly received_at: string;
  readonly reply?: NewPhoto['reply'];
  readonly body: Body;
  /** The user's file, where it stayed (`kept`) or was copied (`moved`). */
  readonly path?: StoredPath;
  /** That file when it was taken. One that was renamed is here, and its old path nobody's business. */
  readonly ino?: number;
  readonly dev?: number | undefined;
  readonly size?: number;
  readonly mtime_ms?: number;
  /** The photo has been filed, but its original cannot be deleted: SHA-256 of its bytes. */
  readonly filed_sha256?: string;
}

type Where =
  | { readonly body: 'upload' }
  | {
      readonly body: 'kept';
      readonly path: string;
      readonly size: number;
      readonly mtimeMs: number;
    }
  | { readonly body: 'moved'; readonly origin?: Origin; readonly filedSha256?: string };

export function recordOf(photo: Omit<NewPhoto, 'body'>, where: Where): SpoolRecord {
  return {
    id: photo.id,
    source: photo.source,
    file: photo.file,
    received_at: photo.receivedAt,
    ...(photo.reply ? { reply: photo.reply } : {}),
    body: where.body,
    ...('path' in where && stored(where)),
    ...('origin' in where &&
      where.origin && { ...stored(where.origin), ino: where.origin.ino, dev: where.origin.dev }),
    ...('filedSha256' in where && { filed_sha256: where.filedSha256 }),
  };
}

/** The reverse, without the bytes. */
export const photoOf = (record: SpoolRecord): Omit<NewPhoto, 'body'> => ({
  id: record.id,
  source: record.source,
  file: record.file,
  receivedAt: record.received_at,
  ...(record.reply ? { reply: record.reply } : {}),
});

/** @throws SyntaxError for a value that is no record. */
export function readRecord(value: unknown): SpoolRecord {
  const record = value as SpoolRecord | null;
  if (typeof record?.id !== 'string') throw new SyntaxError('This is not the record of a photo.');
  return record;
}

const stored = ({ path, size, mtimeMs }: Omit<Origin, 'ino' | 'dev'>) => ({
  path: encodePath(path),
  ...{ size, mtime_ms: mtimeMs },
});

/** The file that was copied, as it was; null where none was. */
export function originOf(record: SpoolRecord): Origin | null {
  const { body, path, ino, dev, size, mtime_ms: mtimeMs } = record;
  if (body !== 'moved' || path === undefined || ino === undefined) return null;
  if (size === undefined || mtimeMs === undefined) return null;
  return { path: decodePath(path), ino, size, mtimeMs, dev };
}
