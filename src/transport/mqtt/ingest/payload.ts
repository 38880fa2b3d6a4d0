import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { RetaggerError, tooManyBytes } from '../../../errors.ts';
import { largestMessage } from '../limits.ts';
import { decodeBase64String } from './base64.ts';
import { splitLongString, TAKEN_OUT } from './long-string.ts';

const PATH_CHARACTERS = 4096;
/** Bytes of a character as some encoders write all that is not ASCII: `\u0436`. */
const ESCAPED_BYTES = 6;

/** The JSON form of a message on an ingest topic. */
const IngestSchema = Type.Object(
  {
    id: Type.Optional(
      Type.String({
        pattern: '^[!-~]{1,128}$',
        description:
          "The sender's id for the photo: 1 to 128 printable ASCII characters, no space.",
      }),
    ),
    image: Type.Optional(Type.String({ description: "The photo's bytes in base64." })),
    path: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: PATH_CHARACTERS,
        description: 'A file below the ingest folder, relative to it.',
      }),
    ),
  },
  { additionalProperties: false },
);
type IngestMessage = Static<typeof IngestSchema>;

/** What a message on an ingest topic asks for. */
export type Ask =
  | { readonly id: string | null; readonly bytes: Uint8Array }
  | { readonly id: string | null; readonly path: string }
  | { readonly id: string | null; readonly error: RetaggerError };

const refuse = (id: string | null, detail: string): Ask => ({
  id,
  error: new RetaggerError('request_invalid', detail),
});

/**
 * Reads a message: the photo's bytes, or JSON where the first character is `{`, with which no
 * image format begins.
 * @param uploadBytes largest photo, in bytes.
 * @returns never rejects; what is wrong is in `error`, with the sender's id where it was readable.
 */
export async function readPayload(payload: Buffer, uploadBytes: number): Promise<Ask> {
  if (payload.length === 0) return refuse(null, 'The message is empty.');
  const json = startsJson(payload);
  const limit = json ? largestMessage(uploadBytes) : uploadBytes;
  if (payload.length > limit) return { id: null, error: tooManyBytes(uploadBytes) };
  return json ? await readJson(payload, uploadBytes) : { id: null, bytes: payload };
}

async function readJson(payload: Buffer, uploadBytes: number): Promise<Ask> {
  const split = splitLongString(payload);
  if (split === null) return refuse(null, 'The JSON has more in it than "id", "image" and "path".');
  let value: unknown;
  try {
    value = JSON.parse(split.text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return refuse(null, `The message is not valid JSON: ${clip((error as Error).message)}.`);
  }
  const id = idOf(value);
  const fault = firstFault(value);
  if (fault !== null) return refuse(id, fault);
  const { image, path } = value as IngestMessage;
  if (image === undefined && path === undefined) {
    return refuse(id, 'The message has neither "image" nor "path".');
  }
  if (image === undefined) {
    const whole = split.long === null ? (path as string) : longPath(split.long);
    return whole === null ? refuse(id, '"path" is too long.') : { id, path: whole };
  }
  if (path !== undefined) return refuse(id, 'The message has both "image" and "path".');
  const literal =
    image === TAKEN_OUT ? split.long : Buffer.from(JSON.stringify(image).slice(1, -1));
  const bytes = literal && (await decodeBase64String(literal));
  if (bytes === null) return refuse(id, '"image" is not base64.');
  if (bytes.length === 0) return refuse(id, '"image" is empty.');
  if (bytes.length > uploadBytes) return { id, error: tooManyBytes(uploadBytes) };
  return { id, bytes };
}

/** A path that is long only as it is written. @returns null for one that is too long, or no text. */
function longPath(long: Buffer): string | null {
  if (long.length > PATH_CHARACTERS * ESCAPED_BYTES) return null;
  try {
    const path = JSON.parse(`"${long.toString('utf8')}"`) as string;
    return path.length > PATH_CHARACTERS ? null : path;
  } catch {
    return null;
  }
}

/** The sender's id, if at least that is right: the error message then carries it. */
function idOf(value: unknown): string | null {
  const id = (value as { id?: unknown } | null)?.id;
  return typeof id === 'string' && Value.Check(IngestSchema.properties.id, id) ? id : null;
}

function firstFault(value: unknown): string | null {
  const faults = [...Value.Errors(IngestSchema, value)];
  const unknown = faults.find((fault) => fault.keyword === 'additionalProperties');
  if (unknown !== undefined) {
    const names = (unknown.params as { additionalProperties: string[] }).additionalProperties;
    return `"${clip(names[0] ?? '')}" is not a key of the message; "id", "image" and "path" are.`;
  }
  const fault = faults[0];
  return fault ? `"${fault.instancePath.slice(1)}" ${fault.message}.` : null;
}

/** Foreign text in an answer: short, without control characters. */
const clip = (text: string): string => text.replace(/\p{Cc}/gu, ' ').slice(0, 100);

const SPACES = [0x20, 0x09, 0x0a, 0x0d];
const BRACE = 0x7b;

/** Whether the first character, after a byte order mark and white space, is `{`. */
function startsJson(payload: Buffer): boolean {
  const marked = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
  let at = marked ? 3 : 0;
  while (SPACES.includes(payload[at] as number)) at += 1;
  return payload[at] === BRACE;
}
