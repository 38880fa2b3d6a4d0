import type { IClientPublishOptions } from 'mqtt';
import type { Message, Outbox, OutboxEntry, Reply } from '../../daemon/ports.ts';
import type { Logger } from '../../log.ts';
import { type Session, TOO_LARGE } from './client/session.ts';
import { Refusals } from './refusals.ts';
import type { Topics } from './topics.ts';

/** Messages published and not acknowledged. */
const IN_FLIGHT = 32;
/** Milliseconds between looks at what could not be read or published. */
const LOOK_MS = 1000;
/** Connections that may end while a message's reply is on its way; then it goes without. */
const CUT_OFF = 5;

/**
 * Brings the outbox to the broker: oldest first, at most `IN_FLIGHT` at once, each removed only
 * after its PUBACK. The outbox mixes old and new, so that a long replay holds up nothing.
 */
export class Delivery {
  readonly #outbox: Outbox;
  readonly #topics: Topics;
  readonly #log: Logger;
  readonly #refusals: Refusals;
  /** Keys of messages whose reply has had no answer yet → how often it was sent. */
  readonly #replying = new Map<string, number>();
  /** Replies that were on their way when a connection ended go one at a time: which was it? */
  #suspects: Promise<unknown> = Promise.resolve();
  #session: Session | null = null;
  #inFlight = 0;
  #pumping = false;
  #again = false;
  /** The outbox could not be read. */
  #broken = false;
  #timer: NodeJS.Timeout | null = null;
  #unsubscribe: (() => void) | null = null;
  #idle: (() => void)[] = [];

  constructor(outbox: Outbox, topics: Topics, log: Logger) {
    this.#outbox = outbox;
    this.#topics = topics;
    this.#log = log;
    this.#refusals = new Refusals(log);
  }

  /** What the broker does not take, for `/readyz`. */
  get refused(): string | null {
    return this.#refusals.detail;
  }

  /** There is a connection: sends by it what waits and what comes. */
  up(session: Session): void {
    this.#session = session;
    this.#unsubscribe = this.#outbox.onPut(() => this.#pump());
    this.#timer = setInterval(() => this.#pump(), LOOK_MS).unref();
    this.#pump();
  }

  /** The connection is gone: everything unacknowledged is sent again on the next. */
  down(): void {
    this.#session = null;
    this.#unsubscribe?.();
    if (this.#timer) clearInterval(this.#timer);
    this.#suspects = Promise.resolve();
    this.#inFlight = 0;
    this.#refusals.clear();
    this.#outbox.release();
    this.#settle();
  }

  /** Resolves when nothing waits for the broker, or it is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#pump();
    });
  }

  /** Takes and publishes while there is room; one loop at a time. */
  async #pump(): Promise<void> {
    this.#again = true;
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#again && this.#session !== null) {
        this.#again = false;
        await this.#fill(this.#session);
      }
      this.#broken = false;
    } catch (error) {
      if (!this.#broken) this.#log.error({ err: error }, 'the outbox cannot be read; trying again');
      this.#broken = true;
    } finally {
      this.#pumping = false;
      this.#settle();
    }
  }

  async #fill(session: Session): Promise<void> {
    const room = this.#window(session) - this.#inFlight;
    if (room <= 0) return;
    this.#outbox.giveBack(this.#refusals.due());
    const entries = await this.#outbox.take(room);
    if (this.#session !== session) {
      // Taken for a connection that was lost meanwhile; on the next, if any, nothing is sent yet.
      this.#outbox.release();
      this.#again = true;
      return;
    }
    for (const entry of entries) {
      if (!this.#refusals.hold(entry)) void this.#send(session, entry);
    }
    if (entries.length > 0) this.#again = true;
  }

  /** Half of what the broker takes at once: `<base>/status` is not to wait behind it all. */
  #window({ connack }: Session): number {
    const theirs = connack.properties?.receiveMaximum ?? 65_535;
    return Math.max(1, Math.min(IN_FLIGHT, Math.floor(theirs / 2)));
  }

  async #send(session: Session, entry: OutboxEntry): Promise<void> {
    this.#inFlight += 1;
    const taken = await this.#publish(session, entry);
    // After a lost connection the entry is in the outbox again, and no longer ours.
    if (taken && this.#session === session) await this.#remove(entry);
    // `down` has counted anew.
    if (this.#session === session) this.#inFlight -= 1;
    this.#pump();
  }

  /** @returns whether the broker has taken it. */
  async #publish(session: Session, entry: OutboxEntry): Promise<boolean> {
    const { kind, reply } = entry.message;
    const body = payloadOf(entry);
    const options = optionsOf(entry.message, session);
    try {
      await session.publish(this.#topics[kind], body, options);
      this.#outbox.giveBack(this.#refusals.accepted(kind));
    } catch (error) {
      if (!this.#saidNo(session, error)) return false;
      if (error.code === TOO_LARGE) this.#refusals.tooLarge(entry, error);
      else this.#refusals.refused(entry, error);
      return false;
    }
    if (reply === undefined || session.version !== 5) return true;
    const send = () => this.#reply(session, entry, reply, body);
    if (!this.#replying.has(entry.key)) return send();
    const turn = this.#suspects.then(send);
    this.#suspects = turn;
    return turn;
  }

  /** @returns false where the connection ended: the whole message is sent again. */
  async #reply(
    session: Session,
    { key, message }: OutboxEntry,
    { topic, correlation }: Reply,
    body: Buffer,
  ): Promise<boolean> {
    if (!this.#isOpen(session)) return false;
    const tries = (this.#replying.get(key) ?? 0) + 1;
    if (tries > CUT_OFF) {
      // Some brokers hang up at a topic they do not allow, and would again at every try.
      this.#log.warn({ topic }, 'a reply has ended the connection: it is not sent');
      this.#replying.delete(key);
      return true;
    }
    this.#replying.set(key, tries);
    const correlationData = correlation ? Buffer.from(correlation, 'base64') : undefined;
    const options = optionsOf(message, session);
    const properties = { ...options.properties, ...(correlationData && { correlationData }) };
    try {
      await session.publish(topic, body, { ...options, properties });
    } catch (error) {
      if (!this.#saidNo(session, error)) return false;
      // The sender's own topic; the answer is on the result topic all the same.
      this.#log.warn({ err: error, topic }, 'the broker refused a reply');
    }
    this.#replying.delete(key);
    return true;
  }

  #isOpen(session: Session): boolean {
    return this.#session === session && !session.signal.aborted;
  }

  /** Without a reason code the connection is over, and mqtt.js tells of that a moment later. */
  #saidNo(session: Session, error: unknown): error is Error & { code: number } {
    return this.#isOpen(session) && typeof (error as { code?: unknown }).code === 'number';
  }

  async #remove(entry: OutboxEntry): Promise<void> {
    try {
      await this.#outbox.remove(entry);
    } catch (error) {
      this.#log.warn({ err: error, entry: entry.key }, 'a delivered message cannot be removed');
    }
  }

  #settle(): void {
    if (this.#inFlight > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function payloadOf({ message, late }: OutboxEntry): Buffer {
  return Buffer.from(JSON.stringify({ ...message.payload, ...(late ? { replayed: true } : {}) }));
}

function optionsOf({ kind }: Message, { version }: Session): IClientPublishOptions {
  if (version !== 5) return {};
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'application/json',
    userProperties: { kind },
  };
  return { properties };
}
