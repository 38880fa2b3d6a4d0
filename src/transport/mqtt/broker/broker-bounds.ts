import { Readable } from 'node:stream';
import type { Logger } from '../../../log.ts';
import { SeldomLog } from '../../seldom-log.ts';
import { alone, OutgoingQueues, type Queued, sizeOf } from './outgoing-queues.ts';

/** Messages not acknowledged: for one client as Mosquitto does by default, for all, in bytes. */
const QUEUED = { one: 1000, all: 10_000, bytes: 32 * 1024 * 1024 };
/** Topics of one client, and characters of them together: each level of each takes memory. */
const SUBSCRIBED = 200;
const SUBSCRIBED_CHARACTERS = 16 * 1024;
/** Sessions kept for clients that are away. */
const AWAY = 100;
/** Retained messages; bytes of one, and topics and payloads of all. */
const RETAINED = { count: 1000, one: 64 * 1024, all: 8 * 1024 * 1024 };

const NOTHING = Buffer.alloc(0);

interface Packet extends Queued {
  readonly topic: string;
  readonly payload: Buffer;
}
interface ClientId {
  readonly id: string;
}
interface Subscription {
  readonly topic: string;
}

/** The part of aedes' memory store that grows with what clients do. */
export interface BoundedPersistence {
  outgoingEnqueue(sub: { clientId: string }, packet: Packet): Promise<void>;
  outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: Packet): Promise<void>;
  outgoingUpdate(client: ClientId, packet: Queued): Promise<void>;
  outgoingClearMessageId(client: ClientId, packet: Queued): Promise<Queued | undefined>;
  outgoingStream(client: ClientId): Readable;
  incomingStorePacket(client: ClientId, packet: Packet): Promise<void>;
  storeRetained(packet: Packet): Promise<void>;
  addSubscriptions(client: ClientId, subs: readonly Subscription[]): Promise<void>;
  cleanSubscriptions(client: ClientId): Promise<void>;
  cleanIncoming(client: ClientId): Promise<void>;
}

/** The part of aedes that is bounded here. */
export interface BoundedBroker {
  readonly persistence: BoundedPersistence;
  readonly clients: Record<string, Connected>;
  /** `done(null, null)` refuses. */
  authorizeSubscribe(
    client: ClientId,
    sub: Subscription,
    done: (error: null, granted: Subscription | null) => void,
  ): void;
  on(
    event: 'unsubscribe',
    listener: (topics: readonly string[], client: ClientId) => void,
  ): unknown;
  on(event: 'client' | 'clientDisconnect', listener: (client: Connected) => void): unknown;
}

interface Connected extends ClientId {
  /** Without a session. */
  readonly clean: boolean;
}

/** Ids and topics are of up to 64 KiB. */
const shown = (text: string) => text.slice(0, 200);

/** Keeps the embedded broker's memory bounded; what is over a bound is not stored, and logged. */
export function boundPersistence(broker: BoundedBroker, log: Logger): void {
  const seldom = new SeldomLog(log);
  boundSessions(broker, seldom);
  boundSubscriptions(broker, log);
  boundRetained(broker.persistence, seldom);
  const { persistence } = broker;
  const store = persistence.incomingStorePacket.bind(persistence);
  // Until its PUBREL only the id of a QoS 2 message is asked for; it has been forwarded.
  persistence.incomingStorePacket = (client, { messageId }) =>
    store(client, { messageId, topic: '', payload: NOTHING });
}

/**
 * Clients that keep a session have their messages kept while they are away. Where there are too
 * many, whoever has been away the longest loses the session: never one who is there.
 */
function boundSessions(broker: BoundedBroker, log: SeldomLog): void {
  const { persistence } = broker;
  const queues = new OutgoingQueues(QUEUED);
  const there = new Map<string, Connected>();
  /** Longest first. */
  const away = new Set<string>();

  const end = (id: string) => {
    away.delete(id);
    queues.drop(id);
    void persistence.cleanSubscriptions({ id });
    void persistence.cleanIncoming({ id });
    log.warn(
      { client: shown(id) },
      'the embedded broker ended the session of a client that is away',
    );
  };
  broker.on('client', (client) => {
    there.set(client.id, client);
    away.delete(client.id);
  });
  broker.on('clientDisconnect', (client) => {
    const { id, clean } = client;
    const now = there.get(id);
    if (now !== undefined && now !== client) {
      // It came back before its old connection had ended; aedes takes that for its end.
      broker.clients[id] = now;
      return;
    }
    there.delete(id);
    if (clean) return;
    away.add(id);
    const [longest] = away;
    if (away.size > AWAY && longest !== undefined) end(longest);
  });

  /** Ends sessions for as long as this client's are not the first to go. */
  const makeRoom = (client: string, bytes: number) => {
    if (!queues.mayKeep(client, bytes)) return;
    for (const id of away) {
      if (id === client || !queues.isOver(bytes)) return;
      if (queues.lengthOf(id) > 0) end(id);
    }
  };
  const add = (client: string, packet: Packet) => {
    makeRoom(client, sizeOf(packet));
    if (queues.add(client, packet)) return;
    log.warn(
      { client: shown(client) },
      'the embedded broker keeps no more messages for this client',
    );
  };

  persistence.outgoingEnqueue = async ({ clientId }, packet) => add(clientId, packet);
  persistence.outgoingEnqueueCombi = async (subs, packet) => {
    for (const { clientId } of subs) add(clientId, packet);
  };
  persistence.outgoingUpdate = async ({ id }, packet) => queues.update(id, packet);
  persistence.outgoingClearMessageId = async ({ id }, { messageId }) =>
    queues.remove(id, messageId);
  persistence.outgoingStream = ({ id }) => Readable.from(queues.list(id));
}

/** Those that are over are refused in the SUBACK. */
function boundSubscriptions(broker: BoundedBroker, log: Logger): void {
  const { persistence } = broker;
  const granted = new WeakMap<ClientId, Set<string>>();
  broker.authorizeSubscribe = (client, sub, done) => {
    const topics = granted.get(client) ?? new Set<string>();
    granted.set(client, topics);
    if (!topics.has(sub.topic) && !mayHave(topics, sub.topic)) {
      log.debug({ client: client.id }, 'the embedded broker refused a subscription');
      return done(null, null);
    }
    topics.add(sub.topic);
    done(null, sub);
  };
  broker.on('unsubscribe', (topics, client) => {
    for (const topic of topics) granted.get(client)?.delete(topic);
  });
  const keep = persistence.addSubscriptions.bind(persistence);
  // aedes would keep the refused ones in the session.
  persistence.addSubscriptions = (client, subs) =>
    keep(
      client,
      subs.filter(({ topic }) => granted.get(client)?.has(topic)),
    );
}

function mayHave(topics: ReadonlySet<string>, topic: string): boolean {
  if (topics.size >= SUBSCRIBED) return false;
  let characters = topic.length;
  for (const each of topics) characters += each.length;
  return characters <= SUBSCRIBED_CHARACTERS;
}

function boundRetained(persistence: BoundedPersistence, log: SeldomLog): void {
  const retain = persistence.storeRetained.bind(persistence);
  /** Topic → bytes. */
  const retained = new Map<string, number>();
  let bytes = 0;
  persistence.storeRetained = async (packet) => {
    const { topic, payload } = packet;
    const before = retained.get(topic) ?? 0;
    const size = payload.length === 0 ? 0 : sizeOf(packet);
    const tooMany = retained.size >= RETAINED.count && !retained.has(topic);
    const tooLarge = payload.length > RETAINED.one || bytes - before + size > RETAINED.all;
    if (size > 0 && (tooMany || tooLarge)) {
      log.warn({ topic: shown(topic) }, 'the embedded broker retains no more');
      return;
    }
    bytes += size - before;
    if (size === 0) retained.delete(topic);
    else retained.set(topic, size);
    await retain(alone(packet));
  };
}
