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

const isText = (value: unknown) => typeof value === 'string';
const oneOf =
  (...names: readonly string[]) =>
  (value: unknown) =>
    names.includes(value as string);
const orNothing = (fits: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || fits(value);
const isNumber = orNothing((value) => typeof value === 'number');
const isPath = (value: unknown) => isText(value) || isText(Object(value).base64);
const isReply = (value: unknown) => {
  const { topic, correlation } = Object(value);
  return isText(topic) && orNothing(isText)(correlation);
};

/** What each field may be. */
const FIELDS: Readonly<Record<keyof SpoolRecord, (value: unknown) => boolean>> = {
  id: isText,
  source: oneOf('folder', 'mqtt', 'http'),
  file: (value) => value === null || isText(value),
  received_at: isText,
  reply: orNothing(isReply),
  body: oneOf('upload', 'moved', 'kept'),
  path: orNothing(isPath),
  ino: isNumber,
  dev: isNumber,
  size: isNumber,
  mtime_ms: isNumber,
  filed_sha256: orNothing(isText),
};

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

/** @throws SyntaxError for a value that is no record, or one of a later version that says what we do not know. */
export function readRecord(value: unknown): SpoolRecord {
  const record = Object(value) as Partial<Record<keyof SpoolRecord, unknown>>;
  const wrong = Object.entries(FIELDS).find(
    ([name, fits]) => !fits(record[name as keyof SpoolRecord]),
  );
  if (wrong) throw new SyntaxError(`This is not the record of a photo: ${wrong[0]}.`);
  return value as SpoolRecord;
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
