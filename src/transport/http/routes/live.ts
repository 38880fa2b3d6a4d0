import { type Static, Type } from 'typebox';
import { FailureSchema } from '../../../result.ts';
import type { EventStreams } from '../event-streams.ts';
import { CountsSchema, type FeedItem, FeedItemSchema, type LiveFeed } from '../live-feed.ts';
import { named } from '../named.ts';
import { problems } from '../openapi.ts';
import type { HttpDoorParts } from '../parts.ts';
import type { App } from '../server.ts';

const RecentSchema = Type.Object(
  {
    node: Type.String({ description: 'Name of this box.' }),
    model: Type.Union([Type.String(), Type.Null()], { description: 'Null while it loads.' }),
    engine: Type.Union([Type.String(), Type.Null()]),
    labels: Type.Array(Type.String()),
    counts: CountsSchema,
    items: Type.Array(named<FeedItem>('FeedItem'), { description: 'Newest first, at most 50.' }),
  },
  { $id: 'Recent' },
);

/** `GET /results`: the last outcomes. `GET /events`: each as it happens. */
export function liveRoutes(
  app: App,
  { config, info }: HttpDoorParts,
  feed: LiveFeed,
  streams: EventStreams,
): void {
  for (const schema of [FailureSchema, FeedItemSchema, RecentSchema]) app.addSchema(schema);
  app.get(
    '/results',
    {
      schema: {
        operationId: 'results',
        summary: 'The last results and failures, of every source',
        tags: ['photos'],
        response: {
          200: {
            description: 'Newest first.',
            content: {
              'application/json': { schema: named<Static<typeof RecentSchema>>('Recent') },
            },
          },
          ...problems(401, 403),
        },
      },
    },
    async () => {
      const { model = null, engine = null, labels = [] } = info() ?? {};
      const box = { node: config.node.id, model, engine, labels: [...labels] };
      return { ...box, counts: feed.counts, items: [...feed.items] };
    },
  );

  app.get(
    '/events',
    {
      // A HEAD request would wait for the end of the stream.
      exposeHeadRoute: false,
      schema: {
        operationId: 'events',
        summary: 'Results and failures as they happen',
        description:
          'Server-sent events named `result` and `failure`; the data of each is a FeedItem.',
        tags: ['photos'],
        response: {
          200: {
            description: 'A stream that does not end.',
            content: { 'text/event-stream': { schema: Type.String() } },
          },
          ...problems(401, 403, 503),
        },
      },
    },
    async (_request, reply) => {
      streams.open(reply);
      return reply;
    },
  );
}
