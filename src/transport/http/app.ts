import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { RetaggerError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { EventStreams } from './event-streams.ts';
import { Guard } from './guard.ts';
import type { LiveFeed } from './live-feed.ts';
import { registerOpenApi } from './openapi.ts';
import type { HttpDoorParts, Timings } from './parts.ts';
import { codedError, PROBLEM_TYPE, ProblemSchema, problemOf, rawProblem } from './problem.ts';
import { retryAfter } from './refused.ts';
import { healthRoutes } from './routes/health.ts';
import { liveRoutes } from './routes/live.ts';
import { metricsRoute } from './routes/metrics.ts';
import { pageRoutes } from './routes/page.ts';
import { tagRoute } from './routes/tag.ts';
import { isSettling, markWaiting, settleUnread } from './unread.ts';
import type { Waits } from './waits.ts';

const KEEP_ALIVE_MS = 10_000;
const MAX_CONNECTIONS = 512;

const { version } = createRequire(import.meta.url)('../../../package.json') as { version: string };

export type App = ReturnType<typeof newApp>;

function newApp(log: Logger, timings: Timings) {
  return Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    connectionTimeout: timings.idle,
    requestTimeout: timings.request,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { headersTimeout: timings.headers, connectionsCheckingInterval: timings.check },
    // What arrives while the daemon stops is answered by the pipeline's own refusal.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply),
    clientErrorHandler: answerUnreadable,
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** The server with every route; it does not listen yet. */
export async function createApp(
  parts: HttpDoorParts,
  feed: LiveFeed,
  streams: EventStreams,
  waits: Waits,
  timings: Timings,
): Promise<App> {
  const app = newApp(parts.log, timings);
  const guard = new Guard(parts.config.http);
  app.server.maxConnections = MAX_CONNECTIONS;
  app.server.on('checkContinue', (request, response) => {
    markWaiting(request);
    app.routing(request, response);
  });
  // What else a client may expect is ignored, as the standard allows.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
  // Results go out as they are on MQTT and in sidecars, not as a schema would trim them.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(() => {
    throw new RetaggerError('not_found');
  });
  app.addHook('onSend', async (request, reply) => {
    settleUnread(request, timings.linger);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    // Fastify adds a charset to all JSON; these types have no such parameter.
    const [type = ''] = String(reply.getHeader('content-type') ?? '').split(';');
    if (type.endsWith('+json')) reply.header('content-type', type);
  });
  await registerHelmet(app);
  guard.register(app);
  await app.register(multipart, { throwFileSizeLimit: false });
  // Bodies of other types are not read at all; the route says what it wants.
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.addSchema(ProblemSchema);
  await registerOpenApi(app, version, parts.config.http.token !== undefined);
  metricsRoute(app, parts);
  tagRoute(app, parts, timings, waits);
  healthRoutes(app, parts, guard);
  liveRoutes(app, parts, feed, streams);
  await pageRoutes(app);
  await app.ready();
  return app;
}

async function registerHelmet(app: App): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'blob:', 'data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    // Plain HTTP in a local network: browsers ignore these there, with a complaint each.
    strictTransportSecurity: false,
    crossOriginOpenerPolicy: false,
    originAgentCluster: false,
  });
}

function sendProblem(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = codedError(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'a request failed');
  else request.log.debug({ code: error.code, detail: error.message }, 'a request was refused');
  const seconds = retryAfter(error);
  if (seconds !== null) reply.header('retry-after', seconds);
  reply.code(error.status).type(PROBLEM_TYPE).send(problemOf(error));
}

/** Node could not make a request of what came, or it came too slowly. */
function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  // Where an answer has begun or been given, a second one would be taken for the next request's.
  const begun = (socket as { _httpMessage?: { headersSent: boolean } })._httpMessage?.headersSent;
  if (error.code === 'ECONNRESET' || !socket.writable || begun || isSettling(socket)) {
    socket.destroy();
    return;
  }
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const problem = rawProblem(new RetaggerError(slow ? 'request_timeout' : 'request_invalid'));
  socket.end(problem, () => socket.destroy());
}
