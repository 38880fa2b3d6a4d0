import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { SourceSchema } from '../../result.ts';
import { decodePath, encodePath } from '../paths.ts';
import type { NewPhoto } from '../ports.ts';
import type { Origin } from './origin.ts';

const { Optional, String: Text, Number: Amount } = Type;

/** What the spool keeps of a photo besides its bytes: `<key>.json`. */
const RecordSchema = Type.Object({
  id: Text(),
  source: SourceSchema,
  file: Type.Union([Text(), Type.Null()]),
  received_at: Text(),
  reply: Optional(Type.Object({ topic: Text(), correlation: Optional(Text()) })),
  body: Type.Union([Type.Literal('upload'), Type.Literal('moved'), Type.Literal('kept')]),
  /** The user's file, where it stayed (`kept`) or was copied (`moved`). */
  path: Optional(Type.Union([Text(), Type.Object({ base64: Text() })])),
  /** That file when it was taken. One that was renamed is here, and its old path nobody's business. */
  ino: Optional(Amount()),
  dev: Optional(Amount()),
  size: Optional(Amount()),
  mtime_ms: Optional(Amount()),
  /** The photo has been filed, but its original cannot be deleted: SHA-256 of its bytes. */
  filed_sha256: Optional(Text()),
});
export type SpoolRecord = Readonly<Static<typeof RecordSchema>>;

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
    ...('origin' in where && where.origin && identified(where.origin)),
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
  if (!Value.Check(RecordSchema, value)) {
    const [fault] = Value.Errors(RecordSchema, value);
    const why = `${fault?.instancePath} ${fault?.message}`;
    throw new SyntaxError(`This is not the record of a photo: ${why}`);
  }
  return value;
}

const stored = ({ path, size, mtimeMs }: Omit<Origin, 'ino' | 'dev'>) => ({
  path: encodePath(path),
  ...{ size, mtime_ms: mtimeMs },
});

const identified = (origin: Origin) => ({
  ...stored(origin),
  ino: origin.ino,
  ...(origin.dev !== undefined && { dev: origin.dev }),
});

/** The file that was copied, as it was; null where none was. */
export function originOf(record: SpoolRecord): Origin | null {
  const { body, path, ino, dev, size, mtime_ms: mtimeMs } = record;
  if (body !== 'moved' || path === undefined || ino === undefined) return null;
  if (size === undefined || mtimeMs === undefined) return null;
  return { path: decodePath(path), ino, size, mtimeMs, dev };
}
