import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { RetaggerError, tooManyBytes } from '../../errors.ts';
import { joinCrumbs } from './crumbs.ts';
import { codedError } from './problem.ts';

const FIELD = 'image';
/** Bounds on one multipart body; small fields beside the image are read and ignored. */
const LIMITS = { files: 1, fields: 16, parts: 17, fieldNameSize: 128, fieldSize: 4096 };
const MAX_NAME = 255;
/**
 * RFC 2047, as .NET's `MultipartFormDataContent` (B) and Java's Spring (Q) write a name that is not
 * ASCII. They give `filename*` too, but after a quoted `name` the parser does not look at that.
 */
const ENCODED_WORD = /^=\?utf-8\?(?:b\?([a-z0-9+/]+=*)|q\?([!->@-~]+))\?=$/i;

/**
 * A file has a name, or the type of bytes. Clients that send bytes and not a file (.NET's
 * `ByteArrayContent`, Python's `(None, bytes, 'image/jpeg')`) give a picture's type and no name.
 */
const isPartAFile = (_field?: string, type?: string, name?: string): boolean =>
  name !== undefined || /^(application\/octet-stream$|image\/)/i.test(type ?? '');

export interface Upload {
  /** The sender's name for the file. */
  readonly file: string | null;
  /**
   * Its bytes. It ends only when the whole request has been read and found in order, and fails
   * with a RetaggerError otherwise: what reads it to the end has exactly the photo that was sent.
   */
  readonly stream: AsyncIterable<Buffer>;
}

/**
 * Reads a multipart request up to its image.
 * @param limit largest image in bytes.
 * @param stallMs an upload from which nothing comes for so long is given up.
 * @param signal gives it up too; its reason is the error.
 * @throws RetaggerError `image_missing`, `request_invalid`, `request_timeout`.
 */
export async function openUpload(
  request: FastifyRequest,
  limit: number,
  stallMs: number,
  signal: AbortSignal,
): Promise<Upload> {
  joinCrumbs(request.raw);
  const givenUp = watch(request, stallMs, signal);
  const limits = { ...LIMITS, fileSize: limit };
  // Paths are cut off in `nameOf`: base64 has slashes too.
  const parts = request.parts({ isPartAFile, preservePath: true, limits });
  const next = () => Promise.race([parts.next(), givenUp]).catch(malformed);
  for (;;) {
    const { value: part, done } = await next();
    if (done) throw new RetaggerError('image_missing');
    if (part.type === 'file') {
      if (part.fieldname !== FIELD) throw misplaced(part.fieldname);
      givenUp.catch((error) => part.file.destroy(error));
      const readRest = async () => {
        while (!(await next()).done);
        request.raw.setTimeout(0);
      };
      return { file: nameOf(part), stream: content(part, limit, readRest) };
    }
    if (part.fieldname === FIELD) {
      throw new RetaggerError(
        'image_missing',
        `The field "${FIELD}" holds text, not a file; a file has a file name or a picture's Content-Type (curl: -F ${FIELD}=@photo.jpg).`,
      );
    }
  }
}

async function* content(
  part: MultipartFile,
  limit: number,
  readRest: () => Promise<void>,
): AsyncGenerator<Buffer> {
  // At once, not at the end of all that may still come.
  if (part.file.truncated) throw tooManyBytes(limit);
  part.file.once('limit', () => part.file.destroy(tooManyBytes(limit)));
  yield* part.file;
  await readRest();
}

/** Rejects when nothing was received for a while, or with the signal's reason. */
function watch({ raw }: FastifyRequest, ms: number, signal: AbortSignal): Promise<never> {
  const givenUp = new Promise<never>((_, reject) => {
    raw.setTimeout(ms, () => reject(new RetaggerError('request_timeout')));
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  givenUp.catch(() => {});
  return givenUp;
}

/** The parser's plain errors are the sender's fault, unlike others without a status. */
function malformed(thrown: unknown): never {
  const error = codedError(thrown);
  if (error.code !== 'internal') throw error;
  throw new RetaggerError('request_invalid', `The multipart body: ${(thrown as Error).message}`, {
    cause: thrown,
  });
}

/** @param field the parser gives none for a part without a name, whatever its types say. */
const misplaced = (field: string | undefined) =>
  new RetaggerError(
    'image_missing',
    field === undefined
      ? `The file is in a part without a name; it must be in "${FIELD}".`
      : `The file is in the field ${JSON.stringify(field.slice(0, 64))}; it must be in "${FIELD}".`,
  );

/** @param text `=C3=BC` stands for two bytes, `_` for a space. */
function unquoted(text: string): Buffer {
  const bytes = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_escape, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

/** Control characters in a name serve nobody but who wants to confuse a terminal. */
function nameOf({ filename }: MultipartFile): string | null {
  const path = (filename ?? '').replace(ENCODED_WORD, (_word, base64, quoted) =>
    (base64 ? Buffer.from(base64, 'base64') : unquoted(quoted)).toString(),
  );
  const last = path.split(/[/\\]/).at(-1) ?? '';
  const name = (last === '.' || last === '..' ? '' : last)
    .replace(/\p{Cc}/gu, '')
    .slice(0, MAX_NAME)
    .toWellFormed();
  return name === '' ? null : name;
}
