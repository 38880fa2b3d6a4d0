import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import { ResultSchema } from '../../result.ts';
import { SeldomLog } from '../seldom-log.ts';
import type { EventStreams } from './event-streams.ts';
import { Guard } from './guard.ts';
import type { LiveFeed } from './live-feed.ts';
import { registerOpenApi } from './openapi.ts';
import type { HttpDoorParts, Timings } from './parts.ts';
import { boundPipelining } from './pipelining.ts';
import { ProblemSchema } from './problem.ts';
import { healthRoutes } from './routes/health.ts';
import { liveRoutes } from './routes/live.ts';
import { metricsRoute } from './routes/metrics.ts';
import { pageRoutes } from './routes/page.ts';
import { tagRoute } from './routes/tag.ts';
import { type App, newApp } from './server.ts';
import { markWaiting, settleUnread } from './unread.ts';
import { refuseUnrouted } from './unrouted.ts';
import type { Waits } from './waits.ts';

const MAX_CONNECTIONS = 512;

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
  boundPipelining(app.server);
  const seldom = new SeldomLog(parts.log);
  app.server.on('drop', () => seldom.warn({}, `more than ${MAX_CONNECTIONS} connections`));
  // Some clients end their side once the request is out; without this they get no answer.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  app.server.on('checkContinue', (request, response) => {
    markWaiting(request);
    app.routing(request, response);
  });
  // What else a client may expect is ignored, as the standard allows.
  app.server.on('checkExpectation', (request, response) => app.routing(request, response));
  // Results go out as they are on MQTT and in sidecars, not as a schema would trim them.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setNotFoundHandler((request, reply) => refuseUnrouted(app, request, reply));
  app.addHook('onSend', async (request, reply) => {
    settleUnread(request, reply, timings.linger);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
    // Fastify adds a charset to all JSON, which has no such parameter; some clients compare it all.
    const [type = ''] = String(reply.getHeader('content-type') ?? '').split(';');
    if (/[/+]json$/.test(type)) reply.header('content-type', type);
  });
  await registerHelmet(app);
  guard.register(app);
  await app.register(multipart, { throwFileSizeLimit: false });
  // Bodies of other types are not read at all; the route says what it wants.
  app.removeContentTypeParser(['application/json', 'text/plain']);
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
  app.addSchema(ProblemSchema);
  app.addSchema(ResultSchema);
  await registerOpenApi(app, parts.config.http.token !== undefined);
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
