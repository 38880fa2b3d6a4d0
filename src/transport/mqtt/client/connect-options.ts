import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { IClientOptions } from 'mqtt';
import type { Config } from '../../../config/schema.ts';

/** Seconds. */
const KEEPALIVE = 15;
/** Seconds a broker keeps our session, and photos sent meanwhile, while we are away: a week. */
const SESSION_EXPIRY = 7 * 24 * 3600;
/** Messages that a broker may have sent and we not acknowledged; each can be a photo. */
const RECEIVE_MAXIMUM = 8;
/** Milliseconds for TCP, TLS and CONNACK together. */
const CONNECT_TIMEOUT = 10_000;

/** What a connection is for. Photos in and results out do not wait for one another. */
export type Role = 'in' | 'out';

/** Stable over restarts, so that the broker knows our session; different for every box and base. */
export function clientId(config: Config, role: Role): string {
  const base = createHash('sha256').update(config.mqtt.base).digest('hex').slice(0, 8);
  return `retagger-${config.node.id}-${base}-${role}`;
}

/**
 * Options for one connection. Certificates are read every time, so that a renewed one is used.
 * @throws Error that names the file which cannot be read, or says that one holds no certificate or key.
 */
export async function connectOptions(
  config: Config,
  role: Role,
  version: 4 | 5,
  password = config.mqtt.password,
): Promise<IClientOptions & { protocolVersion: 4 | 5 }> {
  // MQTT 3.1.1 knows no password without a user name; an empty one will do.
  const nameless = version === 4 && password !== undefined;
  const username = config.mqtt.username ?? (nameless ? '' : undefined);
  const inbound = role === 'in';
  const files = await certificates(config);
  return {
    clientId: clientId(config, role),
    protocolVersion: version,
    clean: !inbound,
    ...(version === 5 && inbound
      ? { properties: { sessionExpiryInterval: SESSION_EXPIRY, receiveMaximum: RECEIVE_MAXIMUM } }
      : {}),
    keepalive: KEEPALIVE,
    connectTimeout: CONNECT_TIMEOUT,
    // Connecting again, queueing and resubscribing are ours (`connection.ts`, the outbox).
    manualConnect: true,
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
    // A buffer ready for each of 65,536 numbers: 7 MB.
    writeCache: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...files,
  };
}

type Pems = { ca?: Buffer; cert?: Buffer; key?: Buffer };

/** @throws Error that names the file which cannot be read, or says that one holds none. */
export async function certificates({ mqtt }: Pick<Config, 'mqtt'>): Promise<Pems> {
  const files: Pems = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = mqtt[name];
    if (path !== undefined) files[name] = await pem(`mqtt.${name}`, path);
  }
  try {
    if (Object.keys(files).length > 0) createSecureContext(files);
  } catch (error) {
    // OpenSSL names no file.
    throw new Error(`mqtt.ca, mqtt.cert or mqtt.key: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return files;
}

async function pem(name: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}
