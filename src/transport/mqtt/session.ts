import { type Duplex, Transform } from 'node:stream';
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from 'mqtt';
import { PacketCutter } from './packet-cutter.ts';

/** How a connection ended, or why there was none. */
export class ConnectionError extends Error {
  /** MQTT reason or return code, where the broker gave one. */
  readonly reason: number | null;
  /** True where the broker did not answer CONNECT as an MQTT broker does. */
  readonly silent: boolean;

  constructor(message: string, reason: number | null, silent: boolean) {
    super(message);
    this.name = 'ConnectionError';
    this.reason = reason;
    this.silent = silent;
  }
}

/** One network connection to a broker, from CONNACK to its end. Never used again afterwards. */
export interface Session {
  readonly client: MqttClient;
  readonly connack: IConnackPacket;
  readonly version: 4 | 5;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the connection is gone, with why. */
  readonly ended: Promise<ConnectionError>;
}

/**
 * Opens one connection.
 * @param maxPacket Remaining Length, in bytes, to which longer messages are cut.
 * @param onMessage resolves when the message may be acknowledged; until then nothing more is read.
 * @throws ConnectionError
 */
export async function openSession(
  url: string,
  options: IClientOptions,
  maxPacket: number,
  onMessage: (packet: mqtt.IPublishPacket, signal: AbortSignal) => Promise<void>,
): Promise<Session> {
  const client = mqtt.connect(url, options);
  const gone = new AbortController();
  const { signal } = gone;
  client.handleMessage = (packet, done) => {
    const waiting = stayAlive(client, options.keepalive ?? 60);
    onMessage(packet, signal)
      .finally(() => clearInterval(waiting))
      .then(
        () => {
          if (!signal.aborted) done();
        },
        // Not acknowledged, so the broker sends it again, on the next connection.
        () => client.end(true),
      );
  };
  cutPackets(client, maxPacket, options.keepalive ?? 60);
  let error: (Error & { code?: unknown }) | null = null;
  let connack: IConnackPacket | null = null;
  client.on('error', (cause) => {
    error ??= cause;
  });
  client.on('disconnect', ({ reasonCode }) => {
    error ??= Object.assign(new Error('The broker ended the connection'), { code: reasonCode });
  });
  const ended = new Promise<ConnectionError>((resolve) => {
    client.once('close', () => {
      const reason = typeof error?.code === 'number' ? error.code : null;
      const silent = connack === null && reason === null && !isSystemError(error);
      const message = error?.message || String(error?.code ?? 'The connection was closed');
      const end = new ConnectionError(message, reason, silent);
      gone.abort(end);
      client.end(true);
      resolve(end);
    });
  });
  const connected = new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
  client.connect();
  const first = await Promise.race([connected, ended]);
  if (first instanceof ConnectionError) throw first;
  connack = first;
  return { client, connack, version: options.protocolVersion === 5 ? 5 : 4, signal, ended };
}

/** Refused, unreachable, no such host: there was no broker to talk to. */
const isSystemError = (error: { code?: unknown } | null) => typeof error?.code === 'string';

/** mqtt.js reads no PINGRESP while a message waits, and would take that for a dead connection. */
function stayAlive(client: MqttClient, keepalive: number): NodeJS.Timeout {
  return setInterval(() => ping(client), (keepalive * 1000) / 3);
}

function ping(client: MqttClient): void {
  if (!client.connected) return;
  client.sendPing();
  client.reschedulePing(true);
}

/**
 * Puts a cutter between socket and parser. A photo that takes minutes to arrive is a sign of life
 * too: pings are sent meanwhile, though no answer can come before the photo's end.
 */
function cutPackets(client: MqttClient, limit: number, keepalive: number): void {
  const inner = client as unknown as { streamBuilder: (client: MqttClient) => Duplex };
  const build = inner.streamBuilder;
  inner.streamBuilder = (self) => {
    const stream = build(self);
    const cutter = new PacketCutter(limit);
    let pinged = Date.now();
    const pipe = stream.pipe.bind(stream);
    const cut = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (Date.now() - pinged > (keepalive * 1000) / 3) {
          pinged = Date.now();
          ping(client);
        }
        done(null, cutter.cut(chunk));
      },
    });
    stream.pipe = <T extends NodeJS.WritableStream>(parser: T) => {
      pipe(cut);
      return cut.pipe(parser);
    };
    return stream;
  };
}
