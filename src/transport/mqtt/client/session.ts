import { Socket } from 'node:net';
import { type Duplex, Transform } from 'node:stream';
import type {
  IClientOptions,
  IClientPublishOptions,
  IConnackPacket,
  IPublishPacket,
  MqttClient,
} from 'mqtt';
import { loadMqtt } from '../libraries.ts';
import { PacketCutter } from '../packet-cutter.ts';
import { within } from '../within.ts';
import { brokerAddress } from './broker-address.ts';
import { wordsOf } from './broker-words.ts';
import { tlsReason } from './tls-reason.ts';

/** MQTT's reason for a packet that is too large. */
export const TOO_LARGE = 149;
/** Bytes of a PUBLISH besides topic, payload and correlation, at most. */
const OVERHEAD = 256;
/** Milliseconds for the broker to hang up after our goodbye. */
const LEAVE_MS = 1000;

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
  /** MQTT version, as everywhere here: 4 is 3.1.1. */
  readonly version: 4 | 5;
  /**
   * Publishes with QoS 1. Waits its turn where the broker takes no more at once (Receive Maximum):
   * it may hang up at one too many. What is too large for it is not sent, for the same reason.
   * @throws Error with the broker's reason as its code, `TOO_LARGE` for that.
   */
  readonly publish: (
    topic: string,
    payload: string | Buffer,
    options: Omit<IClientPublishOptions, 'qos'>,
  ) => Promise<void>;
  /** Says goodbye, so that no will is sent, and hangs up where the broker does not. */
  readonly leave: () => Promise<void>;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the connection is gone, with why. */
  readonly ended: Promise<ConnectionError>;
}

export interface SessionParts {
  readonly url: string;
  readonly options: IClientOptions & { protocolVersion: 4 | 5 };
  /** Remaining Length, in bytes, to which longer messages are cut. */
  readonly maxPacket: number;
  /** Resolves when the message may be acknowledged; until then nothing more is read. */
  readonly onMessage: (packet: IPublishPacket, signal: AbortSignal) => Promise<void>;
  /** Gives up connecting. */
  readonly stop: AbortSignal;
}

/**
 * Opens one connection.
 * @throws ConnectionError; Error where nothing can be connected to, as at a port that is none.
 */
export async function openSession(parts: SessionParts): Promise<Session> {
  const { url, options, onMessage, stop } = parts;
  const mqtt = await loadMqtt();
  const client = mqtt.connect({ ...options, ...brokerAddress(url) });
  const gone = new AbortController();
  client.handleMessage = (packet, done) => {
    const waiting = setInterval(() => ping(client), pingEvery(client));
    onMessage(packet, gone.signal)
      .finally(() => clearInterval(waiting))
      .then(
        () => {
          if (!gone.signal.aborted) done();
        },
        // Not acknowledged, so the broker sends it again, on the next connection.
        () => client.end(true),
      );
  };
  const network = cutPackets(client, parts);
  const first: { error?: Error & { code?: unknown }; connack?: IConnackPacket } = {};
  let words = '';
  client.on('packetreceive', (packet) => {
    words ||= wordsOf(packet);
  });
  client.on('error', (error) => {
    first.error ??= error;
    // What cannot be parsed: mqtt.js would read nothing more, and wait for acknowledgements for ever.
    if (client.connected) client.end(true);
  });
  client.on('disconnect', ({ reasonCode }) => {
    const name = mqtt.ReasonCodes[reasonCode as keyof typeof mqtt.ReasonCodes];
    const message = `the broker ended the connection${name ? `: ${name}` : ''}`;
    first.error ??= Object.assign(new Error(message), { code: reasonCode });
  });
  const ended = new Promise<ConnectionError>((resolve) => {
    client.once('close', () => {
      const wasUp = first.connack !== undefined;
      const error = endOf(first.error, { wasUp, words, ...network });
      gone.abort(error);
      client.end(true);
      resolve(error);
    });
  });
  const connected = new Promise<IConnackPacket>((resolve) => client.once('connect', resolve));
  // Before the listener: where this throws there is nothing to end.
  client.connect();
  const giveUp = () => client.end(true);
  stop.addEventListener('abort', giveUp, { once: true });
  if (stop.aborted) giveUp();
  const outcome = await Promise.race([connected, ended]);
  stop.removeEventListener('abort', giveUp);
  if (outcome instanceof ConnectionError) throw outcome;
  first.connack = outcome;
  // It came with the CONNACK, which the parser hands on only afterwards.
  if (first.error) client.end(true);
  return {
    ...{ client, connack: outcome, version: options.protocolVersion },
    ...{ publish: publisher(client, outcome), leave: () => leave(client, ended) },
    ...{ signal: gone.signal, ended },
  };
}

async function leave(client: MqttClient, ended: Promise<unknown>): Promise<void> {
  // `end` would wait for acknowledgements.
  for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
  client.end();
  await within(LEAVE_MS, ended);
  client.stream.destroy();
}

/** mqtt.js sends all it is given at once. */
function publisher(client: MqttClient, { properties }: IConnackPacket): Session['publish'] {
  let room = properties?.receiveMaximum ?? 65_535;
  const limit = properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
  const waiting: (() => void)[] = [];
  return async (topic, payload, options) => {
    const correlation = options.properties?.correlationData?.length ?? 0;
    const size = Buffer.byteLength(payload) + Buffer.byteLength(topic) + correlation;
    if (size + OVERHEAD > limit) {
      const message = `${size} bytes are over the broker's maximum packet size of ${limit}`;
      throw Object.assign(new Error(message), { code: TOO_LARGE });
    }
    if (room > 0) room -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      await client.publishAsync(topic, payload, { ...options, qos: 1 });
    } finally {
      // The place goes from hand to hand, so that nobody comes in between.
      const next = waiting.shift();
      if (next) next();
      else room += 1;
    }
  };
}

/** Answers of something that was reached but speaks another protocol, or another version. */
const HUNG_UP = ['ECONNRESET', 'EPIPE'];

function endOf(
  error: (Error & { code?: unknown }) | undefined,
  { wasUp, words, connecting }: { wasUp: boolean; words: string; connecting: boolean },
): ConnectionError {
  const code = error?.code;
  // A cable that is out, a firewall: mqtt.js waits for CONNACK from before there is a connection.
  if (connecting && code === undefined) {
    return new ConnectionError('nothing answers at this address (network, firewall?)', null, false);
  }
  const reason = typeof code === 'number' ? code : null;
  // Refused, unreachable, no such host, no such certificate: there was nothing to talk to.
  const reached = typeof code !== 'string' || HUNG_UP.includes(code);
  const message =
    tlsReason(error) ?? (error?.message || String(code ?? 'the connection was closed'));
  return new ConnectionError(message + words, reason, !wasUp && reason === null && reached);
}

/** Milliseconds; the broker may have its own idea of the keepalive. */
const pingEvery = ({ keepalive }: MqttClient) => (keepalive * 1000) / 3;

/** mqtt.js reads no PINGRESP while a message waits, and would take that for a dead connection. */
function ping(client: MqttClient): void {
  if (!client.connected) return;
  client.sendPing();
  client.reschedulePing(true);
}

/**
 * Puts a cutter between socket and parser. A photo that takes minutes to arrive is a sign of life
 * too: pings are sent meanwhile, though no answer can come before the photo's end.
 * @returns whether the network is still connecting, now and later.
 */
function cutPackets(
  client: MqttClient,
  { options, maxPacket }: SessionParts,
): { readonly connecting: boolean } {
  const network = { connecting: false };
  const inner = client as unknown as { streamBuilder: (client: MqttClient) => Duplex };
  const build = inner.streamBuilder;
  inner.streamBuilder = (self) => {
    const stream = build(self);
    if (stream instanceof Socket) {
      network.connecting = stream.connecting;
      stream.once('connect', () => {
        network.connecting = false;
      });
    }
    const cutter = new PacketCutter(maxPacket, options.protocolVersion);
    let pinged = performance.now();
    const cut = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (performance.now() - pinged > pingEvery(client)) {
          pinged = performance.now();
          ping(client);
        }
        done(null, cutter.cut(chunk));
      },
    });
    const pipe = stream.pipe.bind(stream);
    stream.pipe = <T extends NodeJS.WritableStream>(parser: T) => {
      pipe(cut);
      return cut.pipe(parser);
    };
    return stream;
  };
  return network;
}
