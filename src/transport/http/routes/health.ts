import { type Static, Type } from 'typebox';
import type { Guard } from '../guard.ts';
import { named } from '../named.ts';
import { problems } from '../openapi.ts';
import type { HttpDoorParts } from '../parts.ts';
import type { App } from '../server.ts';

const ReadinessSchema = Type.Object(
  {
    ready: Type.Boolean({ description: 'True when every check is ok.' }),
    checks: Type.Record(
      Type.String(),
      Type.Object({
        ok: Type.Boolean(),
        detail: Type.Optional(
          Type.String({ description: 'For people. Left out for callers without the token.' }),
        ),
      }),
      { description: 'By part: model, engine, queue, outbox, disk, broker, folder.' },
    ),
  },
  { $id: 'Readiness' },
);
const readiness = {
  'application/json': { schema: named<Static<typeof ReadinessSchema>>('Readiness') },
};

/** `GET /healthz`: the process answers. `GET /readyz`: photos are tagged and delivered. */
export function healthRoutes(app: App, { health }: HttpDoorParts, guard: Guard): void {
  app.addSchema(ReadinessSchema);
  app.get(
    '/healthz',
    {
      config: { open: true },
      schema: {
        operationId: 'liveness',
        summary: 'Whether the process answers',
        tags: ['operation'],
        security: [],
        response: { 200: Type.Object({ status: Type.Literal('ok') }), ...problems(403) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { open: true },
      schema: {
        operationId: 'readiness',
        summary: 'Whether photos are tagged and delivered',
        tags: ['operation'],
        security: [],
        response: {
          200: { description: 'Every check is ok.', content: readiness },
          503: { description: 'At least one is not.', content: readiness },
          ...problems(403),
        },
      },
    },
    async (request, reply) => {
      // Details name folders and the broker: not for strangers.
      const details = guard.authorized(request);
      const checks = Object.fromEntries(
        Object.entries(health()).map(([name, { ok, detail }]) => [
          name,
          details ? { ok, detail } : { ok },
        ]),
      );
      const ready = Object.values(checks).every(({ ok }) => ok);
      return reply.code(ready ? 200 : 503).send({ ready, checks });
    },
  );
}
