import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Value } from 'typebox/value';
import { BUNDLED_MODEL_DIR } from '../inference/bundle.ts';
import { withoutCredentials } from '../log.ts';
import { isBrokerUrl, isEncrypted, plainScheme } from './broker-url.ts';
import { ConfigError } from './config-error.ts';
import { readDocument } from './document.ts';
import { allowed, CONFIG_KEYS, type ConfigKey } from './keys.ts';
import { isLoopback } from './loopback.ts';
import { nearest } from './nearest.ts';
import { absolute } from './paths.ts';
import { type Config, ConfigSchema, type RawConfig } from './schema.ts';

export interface ConfigSources {
  /** By flag name without dashes in front, as typed: `{'http-port': '5001'}`. */
  readonly flags?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `--config`: must exist. */
  readonly file?: string;
  /**
   * For a command that opens no door: the system's file may be one that this user may not read,
   * since it may hold a password, and HTTP needs no token.
   */
  readonly tolerant?: boolean;
  /** Relative paths start here. */
  readonly cwd?: string;
}

/** Read where it exists and `--config` was not given. */
const SYSTEM_CONFIG_FILE = '/etc/retagger/config.yaml';

interface Given {
  readonly value: unknown;
  /** For error messages: "--http-port", "RETAGGER_HTTP_PORT", "http.port in FILE". */
  readonly origin: string;
}

/**
 * Flags, then environment, then file, then defaults.
 * @throws ConfigError that names the key, its value, where it was given and what is allowed.
 */
export function loadConfig(sources: ConfigSources = {}): Config {
  const given = new Map<string, Given>([
    ...fromFile(sources.file, sources.tolerant),
    ...fromEnv(sources.env ?? process.env),
    ...fromFlags(sources.flags ?? {}),
  ]);
  const raw = Value.Create(ConfigSchema);
  for (const key of CONFIG_KEYS) {
    const entry = given.get(key.path);
    if (entry) Value.Pointer.Set(raw, key.pointer, checked(key, entry));
  }
  return finish(raw, given, sources);
}

function fromFlags(flags: Readonly<Record<string, string>>): [string, Given][] {
  return Object.entries(flags).map(([name, value]) => {
    const key = CONFIG_KEYS.find((candidate) => candidate.flag === `--${name}`);
    if (!key) throw new ConfigError(`--${name} is not a configuration flag`);
    return [key.path, { value: fromText(key, value), origin: key.flag }];
  });
}

function fromEnv(env: Readonly<Record<string, string | undefined>>): [string, Given][] {
  const entries: [string, Given][] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('RETAGGER_') || value === undefined || isOthers(name, value)) continue;
    const key = CONFIG_KEYS.find((candidate) => candidate.env === name);
    if (!key) {
      const names = CONFIG_KEYS.map((candidate) => candidate.env);
      throw new ConfigError(`the environment variable ${name} is unknown${nearest(name, names)}`);
    }
    // Unit files and compose files set variables to nothing to say "not set".
    if (value !== '') entries.push([key.path, { value: fromText(key, value), origin: name }]);
  }
  return entries;
}

/** The set-up scripts', and what Kubernetes sets beside a Service called "retagger". */
const isOthers = (name: string, value: string): boolean =>
  name === 'RETAGGER_TF_WHEEL' ||
  name === 'RETAGGER_OPENVINO_WHEEL' ||
  /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value));

function fromFile(file: string | undefined, tolerant = false): [string, Given][] {
  const path = file ?? (existsSync(SYSTEM_CONFIG_FILE) ? SYSTEM_CONFIG_FILE : undefined);
  if (path === undefined) return [];
  let document: unknown;
  try {
    document = readDocument(path);
  } catch (error) {
    if (tolerant && file === undefined && (error as NodeJS.ErrnoException).code === 'EACCES') {
      process.stderr.write(`retagger: without ${path}, which this user may not read\n`);
      return [];
    }
    const { message } = error as Error;
    throw new ConfigError(`cannot read the configuration file ${path}: ${message}`);
  }
  if (document === null || document === undefined) return [];
  const entries = flatten(document, '', path);
  const twice = entries.find(([key], at) => entries.findIndex(([other]) => other === key) !== at);
  if (twice) throw new ConfigError(`${path}: the key "${twice[0]}" is given twice`);
  return entries;
}

function flatten(node: unknown, prefix: string, file: string): [string, Given][] {
  if (CONFIG_KEYS.some((key) => key.path === prefix)) {
    return node === null ? [] : [[prefix, { value: node, origin: `${prefix} in ${file}` }]];
  }
  const known = prefix === '' || CONFIG_KEYS.some((key) => key.path.startsWith(`${prefix}.`));
  if (!known) {
    const names = CONFIG_KEYS.flatMap(({ path }) => [path, path.split('.')[0] as string]);
    throw new ConfigError(`${file}: the key "${prefix}" is unknown${nearest(prefix, names)}`);
  }
  if (node === null) return [];
  if (typeof node !== 'object' || Array.isArray(node)) {
    throw new ConfigError(`${file}: "${prefix || 'the document'}" must hold keys below it`);
  }
  return Object.entries(node).flatMap(([name, child]) =>
    flatten(child, prefix ? `${prefix}.${name}` : name, file),
  );
}

/** Text from a flag or the environment in the key's type; left as it is where it does not fit. */
function fromText({ schema }: ConfigKey, text: string): unknown {
  if (schema.type === 'integer') return /^-?\d+$/.test(text.trim()) ? Number(text) : text;
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  if (schema.type === 'array') {
    const items = text.split(',').map((item) => item.trim());
    return items.filter((item) => item !== '');
  }
  return text;
}

/** A broker's URL may hold a password. */
function withoutSecrets({ path }: ConfigKey, value: unknown): unknown {
  return path === 'mqtt.url' && typeof value === 'string' ? withoutCredentials(value) : value;
}

function checked(key: ConfigKey, { value, origin }: Given): unknown {
  if (Value.Check(key.schema, value)) return value;
  checkItems(key, value, origin);
  const shown = key.secret ? '(hidden)' : JSON.stringify(withoutSecrets(key, value));
  const isText = key.schema.type === 'string';
  const cure = isText && /^(number|boolean)$/.test(typeof value) ? '; put it in quotes' : '';
  throw new ConfigError(
    `${origin}: ${shown} is not allowed; ${key.path} is ${allowed(key)}${cure}`,
  );
}

/** @throws ConfigError that names the first wrong item of a list. */
function checkItems({ schema: { items } }: ConfigKey, value: unknown, origin: string): void {
  if (!items || !Array.isArray(value)) return;
  const wrong = value.findIndex((item) => !Value.Check(items, item));
  if (wrong === -1) return;
  throw new ConfigError(`${origin}: ${JSON.stringify(value[wrong])} is no ${items.description}`);
}

function finish(
  raw: RawConfig,
  given: ReadonlyMap<string, Given>,
  { tolerant = false, cwd = process.cwd() }: ConfigSources,
): Config {
  const from = (path: string) => given.get(path)?.origin ?? path;
  const isOpen = raw.http.enabled && !isLoopback(raw.http.host);
  if (isOpen && !raw.http.token && !tolerant) {
    throw new ConfigError(
      `${from('http.host')}: ${JSON.stringify(raw.http.host)} is not loopback, so http.token is required`,
    );
  }
  const url = raw.mqtt.url;
  if (url !== undefined && !isBrokerUrl(url)) {
    throw new ConfigError(
      `${from('mqtt.url')}: ${JSON.stringify(withoutCredentials(url))} is no broker's address like mqtts://broker.example:8883; a password with special characters goes into mqtt.password`,
    );
  }
  for (const name of ['ca', 'cert', 'key'] as const) {
    if (raw.mqtt[name] && url !== undefined && !isEncrypted(url)) {
      const given = from(`mqtt.${name}`);
      throw new ConfigError(`${given} is set, but mqtt.url is not mqtts:// or wss://`);
    }
  }
  for (const [one, other] of [
    ['cert', 'key'],
    ['key', 'cert'],
  ] as const) {
    if (raw.mqtt[one] && !raw.mqtt[other]) {
      throw new ConfigError(`${from(`mqtt.${one}`)} also needs mqtt.${other}`);
    }
  }
  const at = (key: string, path: string) => absolute(cwd, path, from(key));
  const data = at('data.dir', raw.data.dir);
  const files = Object.fromEntries(
    (['ca', 'cert', 'key'] as const).flatMap((name) => {
      const path = raw.mqtt[name];
      return path ? [[name, at(`mqtt.${name}`, path)]] : [];
    }),
  );
  return {
    ...raw,
    data: { ...raw.data, dir: data },
    ingest: {
      ...raw.ingest,
      dir: raw.ingest.dir ? at('ingest.dir', raw.ingest.dir) : resolve(data, 'ingest'),
    },
    mqtt: {
      ...raw.mqtt,
      ...(url && { url: plainScheme(url) }),
      ...files,
      base: raw.mqtt.base ?? `retagger/${raw.node.id}`,
    },
    model: { dir: raw.model.dir ? at('model.dir', raw.model.dir) : BUNDLED_MODEL_DIR },
  };
}
