import type { TSchema } from 'typebox';
import { ConfigSchema } from './schema.ts';

/** One leaf of the configuration schema and the names a user may give it. */
export interface ConfigKey {
  /** In YAML: `http.port`. */
  readonly path: string;
  /** The same as a JSON Pointer: `/http/port`. */
  readonly pointer: string;
  /** `RETAGGER_HTTP_PORT` */
  readonly env: string;
  /** `--http-port` */
  readonly flag: string;
  readonly description: string;
  readonly schema: TSchema & {
    readonly type?: string;
    readonly default?: unknown;
    readonly minimum?: number;
    readonly maximum?: number;
    readonly minLength?: number;
    readonly maxLength?: number;
    readonly pattern?: string;
    readonly items?: TSchema & { readonly description?: string };
    readonly anyOf?: readonly { readonly const?: string }[];
  };
  /** Never shown: not in errors, not in logs. */
  readonly secret: boolean;
}

const SECRETS = new Set(['http.token', 'mqtt.password']);

function leaves(schema: TSchema, prefix: string): ConfigKey[] {
  const { properties } = schema as { properties?: Record<string, TSchema> };
  if (!properties) {
    const words = prefix.replace(/[._]/g, '-');
    return [
      {
        path: prefix,
        pointer: `/${prefix.replaceAll('.', '/')}`,
        env: `RETAGGER_${words.replaceAll('-', '_').toUpperCase()}`,
        flag: `--${words}`,
        description: (schema as { description?: string }).description ?? '',
        schema: schema as ConfigKey['schema'],
        secret: SECRETS.has(prefix),
      },
    ];
  }
  return Object.entries(properties).flatMap(([name, child]) =>
    leaves(child, prefix ? `${prefix}.${name}` : name),
  );
}

/** Every key, in the schema's order. */
export const CONFIG_KEYS: readonly ConfigKey[] = leaves(ConfigSchema, '');

/** What a key allows, in words: "a whole number from 0 to 65535". */
export function allowed({ schema }: ConfigKey): string {
  const choices = schema.anyOf?.flatMap((choice) => (choice.const ? [choice.const] : []));
  if (choices?.length) return `one of ${choices.join(', ')}`;
  if (schema.type === 'integer') {
    const most = schema.maximum === undefined ? 'up' : `to ${schema.maximum}`;
    return `a whole number from ${schema.minimum} ${most}`;
  }
  if (schema.type === 'boolean') return 'true or false';
  if (schema.type === 'array') return 'a list of names (with commas outside YAML)';
  if (schema.pattern) {
    const least = schema.minLength === undefined ? '' : `, at least ${schema.minLength} characters`;
    const most = schema.maxLength === undefined ? '' : `, at most ${schema.maxLength} characters`;
    return `text that matches ${schema.pattern}${least}${most}`;
  }
  if (schema.minLength) return 'text that is not empty';
  return 'text';
}
