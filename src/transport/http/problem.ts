import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import { type Static, Type } from 'typebox';
import { ERRORS, RetaggerError } from '../../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** RFC 9457 problem details. */
export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'URI of the kind of problem; it says no more than `code`.' }),
    title: Type.String({ description: 'The kind of problem, for people.' }),
    status: Type.Integer({ description: 'The HTTP status.' }),
    code: Type.String({ description: 'Stable name for programs, e.g. `image_corrupt`.' }),
    detail: Type.String({ description: 'What was wrong with this very request.' }),
  },
  { $id: 'Problem' },
);
export type Problem = Static<typeof ProblemSchema>;

export function problemOf(error: RetaggerError): Problem {
  return {
    type: `urn:retagger:error:${error.code}`,
    title: ERRORS[error.code].message,
    status: error.status,
    code: error.code,
    detail: error.message,
  };
}

/** What Fastify's multipart plugin throws, in our words. */
const DETAILS: Readonly<Record<string, string>> = {
  FST_FILES_LIMIT: 'The request has more than one file; send one photo each.',
  FST_FIELDS_LIMIT: 'The request has too many fields.',
  FST_PARTS_LIMIT: 'The request has too many parts.',
  FST_MP_PREMATURE_CLOSE: 'The upload broke off.',
};

/**
 * Anything thrown while a request was answered, as a coded error. What is not the client's fault
 * becomes `internal` without the inner message: that is for the log.
 */
export function codedError(thrown: unknown): RetaggerError {
  if (thrown instanceof RetaggerError) return thrown;
  const { code, statusCode, message } = thrown as Partial<FastifyError>;
  const detail = DETAILS[code ?? ''];
  if (detail !== undefined || (statusCode !== undefined && statusCode >= 400 && statusCode < 500)) {
    return new RetaggerError('request_invalid', detail ?? message, { cause: thrown });
  }
  return new RetaggerError('internal', undefined, { cause: thrown });
}

/**
 * Of answers given before there is a request for the app, which sets these and more: nothing in them
 * is to be run, framed, kept, or taken for another type.
 */
export const BARE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** A whole HTTP response, for sockets on which Node could not read a request. */
export function rawProblem(error: RetaggerError): string {
  const body = JSON.stringify(problemOf(error));
  return [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    ...Object.entries(BARE_HEADERS).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
