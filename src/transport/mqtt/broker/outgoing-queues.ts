/** A PUBLISH on its way to a client that keeps a session, or the PUBREL that took its place. */
export interface Queued {
  readonly brokerId?: string;
  readonly brokerCounter?: number;
  readonly topic?: string;
  messageId?: number | undefined;
  /** A PUBREL has none. */
  readonly payload?: Buffer;
}

export interface QueueLimits {
  /** Messages for one client. */
  readonly one: number;
  /** Messages for all. */
  readonly all: number;
  /** Topics and payloads of all. */
  readonly bytes: number;
}

/**
 * Messages of the embedded broker that their receivers have not acknowledged, by client id. Kept
 * for clients that are there as for those that are away: a store for aedes, with bounds.
 */
export class OutgoingQueues {
  readonly #limits: QueueLimits;
  readonly #queues = new Map<string, Queued[]>();
  #count = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Messages for one client. */
  lengthOf(client: string): number {
    return this.#queues.get(client)?.length ?? 0;
  }

  /** Whether a message could be kept for this client at all, were there no others'. */
  mayKeep(client: string, bytes: number): boolean {
    return this.lengthOf(client) < this.#limits.one && bytes <= this.#limits.bytes;
  }

  /** Whether `bytes` more would be too much for all together. */
  isOver(bytes: number): boolean {
    return this.#count >= this.#limits.all || this.#bytes + bytes > this.#limits.bytes;
  }

  /** @returns false where there is no room. */
  add(client: string, packet: Queued): boolean {
    const size = sizeOf(packet);
    if (!this.mayKeep(client, size) || this.isOver(size)) return false;
    const queue = this.#queues.get(client) ?? [];
    this.#queues.set(client, queue);
    queue.push({ ...alone(packet), messageId: undefined });
    this.#count += 1;
    this.#bytes += size;
    return true;
  }

  /**
   * Gives a message the id it is sent with, or puts a PUBREL in its place. Does nothing where it is
   * not here: there was no room for it, and it is sent without being kept.
   */
  update(client: string, packet: Queued): void {
    const queue = this.#queues.get(client) ?? [];
    for (const [at, each] of queue.entries()) {
      if (packet.brokerId !== undefined && each.brokerId === packet.brokerId) {
        // Ids come round again; the counter tells one message from another. A PUBREL has neither.
        if (each.brokerCounter !== packet.brokerCounter) continue;
        each.messageId = packet.messageId;
        return;
      }
      if (each.messageId !== packet.messageId) continue;
      queue[at] = packet;
      this.#bytes += sizeOf(packet) - sizeOf(each);
      return;
    }
  }

  /** @returns what was there with this id. */
  remove(client: string, messageId: number | undefined): Queued | undefined {
    const queue = this.#queues.get(client) ?? [];
    const at = queue.findIndex((each) => each.messageId === messageId);
    if (at < 0) return undefined;
    const [removed] = queue.splice(at, 1) as [Queued];
    this.#count -= 1;
    this.#bytes -= sizeOf(removed);
    if (queue.length === 0) this.#queues.delete(client);
    return removed;
  }

  /** Oldest first. */
  list(client: string): readonly Queued[] {
    return [...(this.#queues.get(client) ?? [])];
  }

  /** Forgets all that waits for this client. */
  drop(client: string): void {
    for (const packet of this.list(client)) {
      this.#count -= 1;
      this.#bytes -= sizeOf(packet);
    }
    this.#queues.delete(client);
  }
}

/** Bytes; topics are mostly ASCII. */
export const sizeOf = ({ topic, payload }: Queued): number =>
  (topic?.length ?? 0) + (payload?.length ?? 0);

/** A payload is a piece of all that was read with it, which would be kept for a few bytes. */
export function alone<T extends Queued>(packet: T): T {
  const { payload } = packet;
  if (payload === undefined || payload.buffer.byteLength <= 2 * payload.length) return packet;
  const own = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(own);
  return { ...packet, payload: own };
}
