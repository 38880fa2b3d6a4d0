import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { Refused } from '../../daemon/pipeline/refused.ts';
import { type ErrorCode, RetaggerError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Timings } from './parts.ts';
import { BARE_HEADERS, codedError, PROBLEM_TYPE, problemOf, rawProblem } from './problem.ts';
import { isSettling, settleUnread } from './unread.ts';

const KEEP_ALIVE_MS = 10_000;
/** Seconds for `Retry-After` where the refusal has none of its own. */
const RETRY_AFTER = 5;
/** Node's codes that have one of ours; all others are `request_invalid`. */
const UNREADABLE: Readonly<Record<string, ErrorCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
};

/** The server, for those who add routes to it. */
export type App = ReturnType<typeof newApp>;

/** A server without routes: its time limits, and how it answers every error. */
export function newApp(log: Logger, timings: Timings) {
  const app = Fastify({
    // Its own lines say where it listens, at each address of the box; the door says it once.
    loggerInstance: Object.assign(log.child({}), { info: () => {} }),
    logController: new LogController({ disableRequestLogging: true }),
    connectionTimeout: timings.idle,
    requestTimeout: timings.request,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: timings.headers,
      connectionsCheckingInterval: timings.check,
      // Node's own answer to a missing one has no body; the guard's has.
      requireHostHeader: false,
    },
    // What arrives while the daemon stops is answered by the pipeline's own refusal.
    return503OnClosing: false,
    // A URL that cannot be decoded: no hook is run.
    frameworkErrors: (error, request, reply) => {
      settleUnread(request, reply, timings.linger);
      reply.headers(BARE_HEADERS);
      sendProblem(error, request, reply);
    },
    clientErrorHandler: answerUnreadable,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setErrorHandler(sendProblem);
  return app;
}

function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = codedError(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'a request failed');
  else request.log.debug({ code: error.code, detail: error.message }, 'a request was refused');
  const seconds = retryAfter(error);
  if (seconds !== null) reply.header('retry-after', seconds);
  reply.code(error.status).type(PROBLEM_TYPE).send(problemOf(error));
}

/** Seconds for `Retry-After`; null where trying again is no answer to the error. */
function retryAfter(error: RetaggerError): number | null {
  if (error instanceof Refused) return error.retryAfter;
  return error.code === 'busy' || error.code === 'stopping' ? RETRY_AFTER : null;
}

/** Node could not make a request of what came, or it came too slowly. */
function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  const answer = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  const unreadable = error.code !== 'ECONNRESET' && socket.writable && !isSettling(socket);
  // What cannot be read comes after a whole request, whose answer this would be taken for: that one
  // is still given, and is the last.
  if (unreadable && answer?.req.complete && !answer.headersSent) {
    answer.shouldKeepAlive = false;
    return;
  }
  // Where an answer has begun or been given, a second one would be taken for the next request's.
  if (!unreadable || answer?.headersSent) {
    socket.destroy();
    return;
  }
  const code = UNREADABLE[error.code ?? ''] ?? 'request_invalid';
  socket.end(rawProblem(new RetaggerError(code)), () => socket.destroy());
}
