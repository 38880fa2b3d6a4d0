import { Type } from 'typebox';
import { problems } from '../openapi.ts';
import type { HttpDoorParts } from '../parts.ts';
import type { App } from '../server.ts';

/** `GET /metrics`, and the count of requests in it. */
export function metricsRoute(app: App, { metrics }: HttpDoorParts): void {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags: ['operation'],
        response: {
          200: {
            description: 'Prometheus text format.',
            content: { 'text/plain': { schema: Type.String() } },
          },
          ...problems(401, 403),
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );

  app.addHook('onResponse', async (request, reply) => {
    metrics.httpRequest({
      method: request.method,
      route: request.routeOptions.url ?? 'unmatched',
      status: reply.statusCode,
      seconds: reply.elapsedTime / 1000,
    });
  });
}
