import { randomUUID, timingSafeEqual } from 'node:crypto';
import { once, setMaxListeners } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Aedes, AedesOptions, Client, PublishPacket } from 'aedes';
import type { Config } from '../../../config/schema.ts';
import type { Logger } from '../../../log.ts';
import { SeldomLog } from '../../seldom-log.ts';
import type { Incoming } from '../ingest/ingest.ts';
import { loadAedes } from '../libraries.ts';
import { largestPacket } from '../limits.ts';
import { CONNECT, PacketCutter, PUBLISH } from '../packet-cutter.ts';
import type { Topics } from '../topics.ts';
import { type BoundedBroker, boundPersistence } from './broker-bounds.ts';
import { readInSlices } from './slices.ts';
import { type Emitter, unnest } from './unnested.ts';

/** Only programs on this box. */
const HOST = '127.0.0.1';
const CONNECTIONS = 64;
/** Milliseconds for CONNECT to arrive, and for a slow subscriber to read. */
const CONNECT_MS = 10_000;
const DRAIN_MS = 10_000;
/** QoS 2 messages of one client between PUBLISH and PUBREL: some clients send all they have at once. */
const HALF_OPEN = 4096;
/** Packets of the largest size that may be on their way in at once. */
const LARGE_PACKETS = 4;
/** Bytes of a CONNECT: id, name, password and Last Will are of 64 KiB each. */
const CONNECT_BYTES = 328 * 1024;
/** Of any other packet but a PUBLISH: a list of topics is parsed at once, into many times its size. */
const CONTROL_BYTES = 64 * 1024;
/** CONNACK's return code for a client id that is not taken. */
const ID_REJECTED = 2;

export interface EmbeddedBrokerParts {
  readonly config: Config;
  readonly log: Logger;
  /** Client id of our own connection: whoever else took it would end that. */
  readonly ownId: string;
  readonly topics: Topics;
  /** Resolves when a photo may be acknowledged to its sender. */
  readonly take: (incoming: Incoming, signal: AbortSignal) => Promise<void>;
}

/** What aedes does not show. */
interface Inner extends BoundedBroker {
  readonly mq: Emitter;
  readonly _clearWillInterval: NodeJS.Timeout;
}

/**
 * The broker that runs inside the daemon where the box has none: aedes, MQTT 3.1.1, on loopback
 * only, all in memory. Photos are taken before their sender gets the PUBACK, so they are as safe
 * as with any other door; what other clients exchange here does not outlive the process.
 */
export class EmbeddedBroker {
  /** The password that goes with our own client id. */
  readonly ownPassword = randomUUID();
  readonly #parts: EmbeddedBrokerParts;
  /** Aborted when the client's connection has closed. */
  readonly #gone = new WeakMap<Client, AbortSignal>();
  /** Remaining Length of what each connection is sending: 0 between two packets. */
  readonly #arriving = new Map<Socket, number>();
  /** Bytes of the photos that are being taken, their senders may have gone. */
  #taking = 0;
  #aedes: Aedes | null = null;
  #server: Server | null = null;

  constructor(parts: EmbeddedBrokerParts) {
    this.#parts = parts;
  }

  /** Null until it listens. */
  get port(): number | null {
    return (this.#server?.address() as AddressInfo | null)?.port ?? null;
  }

  /** @returns false where something else listens on the port. */
  async start(): Promise<boolean> {
    const { config, log } = this.#parts;
    const aedes = await this.#create();
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, aedes));
    server.maxConnections = CONNECTIONS;
    const seldom = new SeldomLog(log);
    server.on('drop', () => {
      seldom.warn({}, `more than ${CONNECTIONS} clients at the embedded broker`);
    });
    try {
      server.listen(config.mqtt.port, HOST);
      await once(server, 'listening');
    } catch (error) {
      await new Promise<void>((resolve) => aedes.close(resolve));
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') return false;
      throw new Error(`mqtt.port: ${message}`, { cause: error });
    }
    this.#aedes = aedes;
    server.on('error', (error) => log.error({ err: error }, 'embedded broker'));
    this.#server = server;
    return true;
  }

  async stop(): Promise<void> {
    const [server, aedes] = [this.#server, this.#aedes];
    if (server === null || aedes === null) return;
    this.#server = null;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#arriving.keys()) socket.destroy();
    await new Promise<void>((resolve) => aedes.close(resolve));
    await closed;
  }

  async #create(): Promise<Aedes> {
    const { log } = this.#parts;
    const Aedes = await loadAedes();
    const aedes = await Aedes.createBroker({
      connectTimeout: CONNECT_MS,
      drainTimeout: DRAIN_MS,
      maxInflightInbound: HALF_OPEN,
      authenticate: this.#authenticate,
      authorizePublish: (client, packet, done) => this.#authorize(client, packet, done),
    });
    const inner = aedes as unknown as Inner;
    // It sends the wills of clients whose broker is gone, and when the clock is set takes us for gone.
    clearInterval(inner._clearWillInterval);
    unnest(inner.mq);
    boundPersistence(inner, log);
    aedes.on('clientError', (client, error) => {
      log.debug({ client: client.id, err: error }, 'a client of the embedded broker failed');
    });
    aedes.on('connectionError', (_client, error) => {
      log.debug({ err: error }, 'a connection to the embedded broker failed');
    });
    return aedes;
  }

  #accept(socket: Socket, aedes: Aedes): void {
    const limit = largestPacket(this.#parts.config.limits.upload_bytes);
    const client = aedes.handle(socket);
    const gone = new AbortController();
    // Each photo of the client's that is being taken listens.
    setMaxListeners(0, gone.signal);
    this.#gone.set(client, gone.signal);
    this.#arriving.set(socket, 0);
    socket.once('close', () => {
      this.#arriving.delete(socket);
      gone.abort();
    });
    let begun = 0;
    let isFirst = true;
    const cutter = new PacketCutter(limit, 4, (bytes, type) => {
      begun = bytes;
      if (type !== undefined) {
        const fault = faultOf(type, bytes, isFirst);
        isFirst = false;
        if (fault !== null) this.#cutOff(socket, fault);
      }
      this.#arrive(socket, bytes, limit);
    });
    // aedes reads the socket itself; its parser is the one place all bytes pass.
    const parser = (client as unknown as { _parser: { parse(chunk: Buffer): number } })._parser;
    const parse = parser.parse.bind(parser);
    parser.parse = (chunk) => {
      const seen = cutter.cut(chunk);
      const unread = seen === null ? 0 : parse(seen);
      // What has ended counted until here, where it is being taken.
      if (this.#arriving.has(socket)) this.#arriving.set(socket, begun);
      return unread;
    };
    readInSlices(client, socket, () => cutter.left);
  }

  /** All clients together may not fill the memory; the one that would is cut off and may retry. */
  #arrive(socket: Socket, bytes: number, limit: number): void {
    const before = this.#arriving.get(socket);
    // What had been read before the connection ended is still parsed.
    if (before === undefined) return;
    this.#arriving.set(socket, before + bytes);
    let all = this.#taking;
    for (const arriving of this.#arriving.values()) all += arriving;
    if (all <= LARGE_PACKETS * limit) return;
    this.#cutOff(socket, 'too many large messages at once');
  }

  #cutOff(socket: Socket, why: string): void {
    // At once: until it has closed it would count against those who send something small.
    this.#arriving.delete(socket);
    socket.destroy(new Error(why));
  }

  readonly #authenticate: NonNullable<AedesOptions['authenticate']> = (
    client,
    name,
    word,
    done,
  ) => {
    const given = word?.toString() ?? '';
    if (client.id === this.#parts.ownId) {
      const refusal = Object.assign(new Error('our own id'), { returnCode: ID_REJECTED });
      const isOurs = same(given, this.ownPassword);
      done(isOurs ? null : refusal, isOurs);
      return;
    }
    const { username, password } = this.#parts.config.mqtt;
    const named = username === undefined || same(name ?? '', username);
    const known = password === undefined || same(given, password);
    done(null, named && known);
  };

  /** Runs before the sender gets its PUBACK. */
  #authorize(
    client: Client | null,
    packet: PublishPacket,
    done: (error?: Error | null) => void,
  ): void {
    const { topics, take, log } = this.#parts;
    if (client === null || ![topics.ingest, topics.fleet].includes(packet.topic)) {
      done(this.#isReserved(packet.topic, client) ? new Error('the topic is reserved') : null);
      return;
    }
    // A photo is no state to be kept.
    packet.retain = false;
    const bytes = packet.payload.length;
    this.#taking += bytes;
    take(incomingOf(client, packet), this.#gone.get(client) as AbortSignal)
      .finally(() => {
        this.#taking -= bytes;
      })
      .then(
        () => done(null),
        (error) => {
          log.debug({ err: error, client: client.id }, 'a photo was not acknowledged');
          done(error);
        },
      );
  }

  /** Other programs on this box could say that photos were tagged, or that we are gone. */
  #isReserved(topic: string, client: Client | null): boolean {
    const { ownId, topics } = this.#parts;
    if (topic.startsWith('$SYS/')) return true;
    const isOurs = [topics.result, topics.error, topics.status].includes(topic);
    return isOurs && client !== null && client.id !== ownId;
  }
}

function incomingOf(client: Client, packet: PublishPacket): Incoming {
  const { dup, payload } = packet;
  return {
    payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
    dup,
    // Packet ids are the sender's own and begin anew with each of its connections.
    session: `embedded ${client.id}`,
    packetId: (packet as { messageId?: number }).messageId,
  };
}

/** Why a connection ends at the beginning of a packet; null where it goes on. */
function faultOf(type: number, bytes: number, isFirst: boolean): string | null {
  if (isFirst && type !== CONNECT) return 'the first packet is no CONNECT';
  if (type === PUBLISH) return null;
  const most = type === CONNECT ? CONNECT_BYTES : CONTROL_BYTES;
  return bytes > most ? 'a packet that is no message is too large' : null;
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
