import type { Logger } from '../../log.ts';

/** Messages kept for one client that is away, as Mosquitto does by default. */
const QUEUED = 1000;
/** The same for all clients together, and in bytes. */
const QUEUED_ALL = 10_000;
const QUEUED_BYTES = 32 * 1024 * 1024;
/** Retained messages, and bytes of one. */
const RETAINED = 1000;
const RETAINED_BYTES = 64 * 1024;

interface Packet {
  readonly topic: string;
  readonly payload: Buffer;
}

/** The part of aedes' memory store that grows with what clients do. */
export interface BoundedPersistence {
  outgoingEnqueueCombi(subs: readonly { clientId: string }[], packet: Packet): Promise<void>;
  outgoingClearMessageId(client: { id: string }, packet: Packet): Promise<Packet | undefined>;
  storeRetained(packet: Packet): Promise<void>;
}

/** Keeps the embedded broker's memory bounded; what is over a bound is not stored, and logged. */
export function boundPersistence(
  { persistence }: { persistence: BoundedPersistence },
  log: Logger,
): void {
  const enqueue = persistence.outgoingEnqueueCombi.bind(persistence);
  const clear = persistence.outgoingClearMessageId.bind(persistence);
  const retain = persistence.storeRetained.bind(persistence);
  const queued = new Map<string, number>();
  const retained = new Set<string>();
  const full = new Set<string>();
  let all = 0;
  let bytes = 0;

  const room = (client: string, size: number): boolean => {
    const count = queued.get(client) ?? 0;
    if (count < QUEUED && all < QUEUED_ALL && bytes + size <= QUEUED_BYTES) return true;
    if (!full.has(client) && full.size < QUEUED) {
      full.add(client);
      log.warn({ client }, 'the embedded broker keeps no more messages for a client that is away');
    }
    return false;
  };

  persistence.outgoingEnqueueCombi = (subs, packet) => {
    const size = packet.payload.length;
    const taken = subs.filter(({ clientId }) => {
      if (!room(clientId, size)) return false;
      queued.set(clientId, (queued.get(clientId) ?? 0) + 1);
      all += 1;
      bytes += size;
      return true;
    });
    return enqueue(taken, packet);
  };

  persistence.outgoingClearMessageId = async (client, packet) => {
    const cleared = await clear(client, packet);
    if (cleared === undefined) return cleared;
    const left = (queued.get(client.id) ?? 1) - 1;
    if (left > 0) queued.set(client.id, left);
    else queued.delete(client.id);
    full.delete(client.id);
    all -= 1;
    bytes -= cleared.payload.length;
    return cleared;
  };

  persistence.storeRetained = async (packet) => {
    if (packet.payload.length === 0) retained.delete(packet.topic);
    else if (packet.payload.length > RETAINED_BYTES || over(retained, packet.topic)) {
      log.warn({ topic: packet.topic.slice(0, 200) }, 'the embedded broker retains no more');
      return;
    } else retained.add(packet.topic);
    await retain(packet);
  };
}

const over = (topics: ReadonlySet<string>, topic: string) =>
  topics.size >= RETAINED && !topics.has(topic);
