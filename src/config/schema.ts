import { hostname } from 'node:os';
import { type Static, Type } from 'typebox';
import { ENGINE_NAMES } from '../inference/engine.ts';

const port = (description: string, fallback: number) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: fallback, description });

const MiB = 1024 * 1024;

/**
 * The one configuration schema. Every leaf is a flag (`--http-port`), an environment variable
 * (`RETAGGER_HTTP_PORT`) and a YAML key (`http.port`), in this order of precedence. `keys.ts` derives
 * all three from here, `flags.ts` the help text, `reference.ts` `docs/configuration.md`.
 */
export const ConfigSchema = Type.Object({
  node: Type.Object({
    id: Type.String({
      pattern: '^[A-Za-z0-9._-]{1,64}$',
      default:
        hostname()
          .replace(/[^A-Za-z0-9._-]/g, '-')
          .slice(0, 64) || 'retagger',
      description: 'Name of this box in results and topics. Default: the host name.',
    }),
  }),
  data: Type.Object({
    dir: Type.String({
      minLength: 1,
      default: './data',
      description: 'Where spool, outbox, tagged and failed photos live.',
    }),
    keep_days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 36_500,
        description:
          'What lies in tagged and failed is deleted so many days after it was filed. Default: never.',
      }),
    ),
  }),
  ingest: Type.Object({
    dir: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'The watch folder. Default: <data.dir>/ingest.',
      }),
    ),
    watch: Type.Boolean({
      default: true,
      description: 'Watch the folder; false leaves its files to MQTT "path" messages.',
    }),
    after: Type.Union([Type.Literal('move'), Type.Literal('keep'), Type.Literal('delete')], {
      default: 'move',
      description: 'What happens to a tagged photo of the watch folder.',
    }),
    xmp: Type.Boolean({
      default: false,
      description: 'Write the tag to NAME.xmp beside the photo, for photo tools.',
    }),
    settle_ms: Type.Integer({
      minimum: 0,
      maximum: 600_000,
      default: 300,
      description: 'A written file is taken once it has not changed for so long.',
    }),
    rescan_s: Type.Integer({
      minimum: 1,
      maximum: 86_400,
      default: 60,
      description: 'The folder is read again this often, for what the kernel did not report.',
    }),
  }),
  http: Type.Object({
    enabled: Type.Boolean({ default: true, description: 'Open the HTTP door.' }),
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on. One that is not loopback needs http.token.',
    }),
    port: port('Port to listen on; 0 takes a free one.', 5000),
    token: Type.Optional(
      Type.String({
        minLength: 16,
        // HTTP strips whitespace at a header's ends, as `echo` leaves it in a file.
        pattern: '^\\S(.*\\S)?$',
        description: 'Bearer token for every route but /healthz, /readyz and the page’s own files.',
      }),
    ),
    allowed_hosts: Type.Array(
      Type.String({
        pattern: '^[^\\s/@]+$',
        description: 'host name (without http://, port and path)',
      }),
      {
        default: [],
        description: 'More Host header names to accept, besides the address listened on.',
      },
    ),
  }),
  mqtt: Type.Object({
    enabled: Type.Boolean({ default: true, description: 'Open the MQTT door.' }),
    url: Type.Optional(
      Type.String({
        pattern: '^(mqtts?|tcp|tls|ssl|wss?)://',
        description:
          'Broker. Default: one already on 127.0.0.1:1883, else the embedded one started there.',
      }),
    ),
    base: Type.Optional(
      Type.String({
        pattern: '^[^#+\\u0000]+$',
        maxLength: 256,
        description: 'Topic prefix. Default: retagger/<node.id>.',
      }),
    ),
    discovery: Type.Optional(
      Type.String({
        pattern: '^[^#+\\u0000]+$',
        maxLength: 256,
        description:
          'Prefix for Home Assistant’s MQTT discovery, there "homeassistant". Default: none.',
      }),
    ),
    port: port('Where the embedded broker listens, and where one is looked for first.', 1883),
    username: Type.Optional(Type.String({ description: 'User name for the broker.' })),
    password: Type.Optional(Type.String({ description: 'Password for the broker.' })),
    ca: Type.Optional(Type.String({ description: 'PEM file: authority of the broker.' })),
    cert: Type.Optional(Type.String({ description: 'PEM file: client certificate.' })),
    key: Type.Optional(Type.String({ description: 'PEM file: key of the certificate.' })),
  }),
  engine: Type.Union([Type.Literal('auto'), ...ENGINE_NAMES.map((name) => Type.Literal(name))], {
    default: 'auto',
    description: 'Inference engine; auto takes the fastest that loads.',
  }),
  model: Type.Object({
    dir: Type.Optional(
      Type.String({ minLength: 1, description: 'Model folder. Default: the bundled model.' }),
    ),
  }),
  limits: Type.Object({
    upload_bytes: Type.Integer({
      minimum: 1024,
      maximum: 1024 * MiB,
      default: 64 * MiB,
      description: 'Largest photo in bytes, at every door.',
    }),
    pixels: Type.Integer({
      minimum: 1,
      maximum: 268_402_689,
      default: 100_000_000,
      description: 'Largest photo in pixels (width × height).',
    }),
    queue: Type.Integer({
      minimum: 1,
      maximum: 100_000,
      default: 256,
      description: 'Photos accepted and not yet tagged.',
    }),
    outbox: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 100_000,
      description: 'Results kept for a broker that is away (100 bytes of memory each).',
    }),
    memory_bytes: Type.Integer({
      minimum: 192 * MiB,
      default: 512 * MiB,
      description: 'Memory of all processes; the worker is replaced before it is passed.',
    }),
    disk_free_bytes: Type.Integer({
      minimum: 0,
      default: 256 * MiB,
      description: 'With less free disk than this, nothing new is accepted.',
    }),
    remembered: Type.Integer({
      minimum: 0,
      maximum: 100_000,
      default: 0,
      description:
        'Answers kept in memory (1 KiB each): the same photo once more is answered from there.',
    }),
    photo_seconds: Type.Integer({
      minimum: 1,
      maximum: 3600,
      default: 30,
      description: 'Deadline for one try at one photo.',
    }),
  }),
  log: Type.Object({
    level: Type.Union(
      ['fatal', 'error', 'warn', 'info', 'debug', 'trace'].map((l) => Type.Literal(l)),
      { default: 'info', description: 'Least severe level to log.' },
    ),
  }),
});

/** As written by the user, with defaults filled in. */
export type RawConfig = Static<typeof ConfigSchema>;

/** As the program uses it: paths absolute, nothing left open but secrets and the broker's address. */
export type Config = Omit<RawConfig, 'ingest' | 'mqtt' | 'model'> & {
  readonly ingest: RawConfig['ingest'] & { readonly dir: string };
  readonly mqtt: RawConfig['mqtt'] & { readonly base: string };
  readonly model: { readonly dir: string };
};
