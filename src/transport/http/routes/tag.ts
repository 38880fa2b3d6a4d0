import { randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { Refused } from '../../../daemon/pipeline/refused.ts';
import type { Accepted } from '../../../daemon/ports.ts';
import { ERRORS, type ErrorCode, RetaggerError } from '../../../errors.ts';
import { type Failure, type Result, ScoresSchema } from '../../../result.ts';
import { RESULT_TYPE, wantsResult } from '../accept.ts';
import { named } from '../named.ts';
import { problems } from '../openapi.ts';
import type { HttpDoorParts, Timings } from '../parts.ts';
import type { App } from '../server.ts';
import { letBodyCome } from '../unread.ts';
import { openUpload } from '../upload.ts';
import type { Waits } from '../waits.ts';

/** Slow senders must not fill the queue's places for everyone else. */
const MAX_UPLOADS = 32;

/**
 * `POST /re-tagger`: one photo in, its scores out.
 * @param waits ended when the door closes.
 */
export function tagRoute(
  app: App,
  { config, pipeline }: HttpDoorParts,
  timings: Timings,
  waits: Waits,
): void {
  const { upload_bytes } = config.limits;
  let uploads = 0;

  app.route({
    method: 'POST',
    url: '/re-tagger',
    schema: {
      operationId: 'tag',
      summary: 'Tag a photo',
      description:
        'Answers with one score per label, or with the full result where `Accept` asks for it.',
      tags: ['photos'],
      consumes: ['multipart/form-data'],
      body: Type.Object({
        image: Type.String({
          format: 'binary',
          description: 'JPEG, PNG, WebP, AVIF, GIF (first frame), TIFF or HEIC.',
        }),
      }),
      response: {
        200: {
          description: 'The scores, each in 0..1, summing to 1.',
          content: {
            'application/json': { schema: ScoresSchema },
            [RESULT_TYPE]: { schema: named<Result>('Result') },
          },
        },
        ...problems(400, 401, 403, 408, 413, 415, 422, 500, 503, 504),
      },
    },
    // The body is a stream; its schema is for the API's description alone.
    validatorCompiler: () => () => true,
    handler: async (request, reply) => {
      const refusal = pipeline.refusal('http');
      if (refusal !== null) throw Refused.because(refusal);
      if (uploads >= MAX_UPLOADS) throw new Refused('busy', 2, 'Too many uploads at once.');
      if (!request.isMultipart()) {
        throw new RetaggerError(
          'image_missing',
          'The request is not multipart/form-data; send the photo in its field "image".',
        );
      }
      refuseEncoded(request);
      letBodyCome(request, reply);
      const accepted = await upload(request);
      const outcome = await waits
        .within(accepted.outcome, timings.answer, stillQueued)
        .catch(async (error: RetaggerError) => {
          // What is promised then holds after a restart too, unless the disk fails at this moment.
          if (error.code === 'still_queued') await accepted.keep().catch(() => {});
          throw error;
        });
      if (!outcome.ok) throw errorOf(outcome.failure);
      reply.header('vary', 'Accept');
      return wantsResult(request.headers.accept)
        ? reply.type(RESULT_TYPE).send(outcome.result)
        : reply.type('application/json').send(outcome.result.scores);
    },
  });

  async function upload(request: FastifyRequest): Promise<Accepted> {
    const over = new AbortController();
    try {
      return await waits.within(receive(request, over.signal), timings.request, tooSlow);
    } catch (error) {
      // Once the caller has its answer, Node no longer tells that the connection has ended.
      over.abort(error);
      throw error;
    }
  }

  async function receive(request: FastifyRequest, signal: AbortSignal): Promise<Accepted> {
    uploads += 1;
    try {
      const { file, stream } = await openUpload(request, upload_bytes, timings.stall, signal);
      const receivedAt = new Date().toISOString();
      const body = { stream };
      return await pipeline.accept({ id: randomUUID(), source: 'http', file, receivedAt, body });
    } finally {
      uploads -= 1;
    }
  }
}

/** @throws RetaggerError `image_unsupported` for a compressed body: read as it is, it is rubbish. */
function refuseEncoded({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'] ?? '';
  if (/^\s*(identity)?\s*$/i.test(encoding)) return;
  const name = JSON.stringify(encoding.slice(0, 64));
  throw new RetaggerError(
    'image_unsupported',
    `The request has the Content-Encoding ${name}; send it without one.`,
  );
}

const tooSlow = () => new RetaggerError('request_timeout');
const stillQueued = () => new RetaggerError('still_queued');

const errorOf = ({ code, message }: Failure) =>
  new RetaggerError(code in ERRORS ? (code as ErrorCode) : 'internal', message);
