import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { Type } from 'typebox';
import { ERRORS } from '../../errors.ts';
import { version } from '../../version.ts';
import { named } from './named.ts';
import { PROBLEM_TYPE, type Problem } from './problem.ts';
import type { App } from './server.ts';

const require = createRequire(import.meta.url);
const NO_LOGO = { type: 'image/svg+xml', content: '' };

/** The codes of the error table that come with a status. */
function codesOf(status: number): string {
  const entries = Object.entries(ERRORS).filter(([, error]) => error.status === status);
  const codes = entries.map(([code]) => `\`${code}\``).join(', ');
  return status === 503 ? `${codes}; \`Retry-After\` gives seconds` : codes;
}

/** Response entries of a route for these error statuses. */
export function problems(...statuses: readonly number[]) {
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      {
        description: codesOf(status),
        content: { [PROBLEM_TYPE]: { schema: named<Problem>('Problem') } },
      },
    ]),
  );
}

/** Collects the routes that are registered after it; serves `/openapi.json` and `/docs`. */
export async function registerOpenApi(app: App, secured: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'RE-Tagger edge',
        description: 'Tags photos of homes: one score for each kind of room.',
        version,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [{ name: 'photos' }, { name: 'operation' }],
      ...(secured
        ? {
            components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
            security: [{ token: [] }],
          }
        : {}),
    },
    refResolver: {
      buildLocalReference: ({ $id }, _base, _fragment, index) =>
        typeof $id === 'string' ? $id : `schema-${index}`,
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'RE-Tagger edge: API' },
    // Else it looks for both beside itself, and the build has moved it.
    baseDir: join(dirname(require.resolve('@fastify/swagger-ui')), 'static'),
    logo: NO_LOGO,
    uiHooks: {
      // Its links are relative to there alone, and a proxy may have put all this below a path.
      onRequest: async (request, reply) =>
        /^\/docs(\?|$)/.test(request.url) ? reply.redirect('docs/') : undefined,
    },
    // Nothing is asked of other hosts, as the validator's badge would.
    // The standalone layout's bar has an inline style, which the page's policy rightly blocks.
    uiConfig: { validatorUrl: null, docExpansion: 'list', layout: 'BaseLayout' },
  });
  app.get(
    '/openapi.json',
    {
      schema: {
        operationId: 'openapi',
        summary: 'This description',
        tags: ['operation'],
        response: { 200: Type.Object({}, { additionalProperties: true }), ...problems(401, 403) },
      },
    },
    async () => app.swagger() as Record<string, unknown>,
  );
}
