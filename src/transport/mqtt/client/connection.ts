import { EventEmitter, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import type { IPublishPacket } from 'mqtt';
import type { Config } from '../../../config/schema.ts';
import type { Logger } from '../../../log.ts';
import { Backoff } from '../backoff.ts';
import type { Announcement } from '../discovery.ts';
import { largestPacket } from '../limits.ts';
import { within } from '../within.ts';
import { connectOptions, type Role } from './connect-options.ts';
import { ProtocolVersion, type Version, versionName } from './protocol-version.ts';
import { ConnectionError, openSession, type Session } from './session.ts';

/** Milliseconds between tries. */
const RETRY = { first: 250, longest: 30_000 };
/** A connection that lasted so long was a good one; the next try comes soon again. */
const STABLE_MS = 10_000;
/** Milliseconds for the last message. */
const STOP_MS = 1000;
/** Another client with our id has connected. */
const TAKEN_OVER = 142;
/** The broker does not take our client id, in either version's code; the embedded one if it is its own. */
const ID_REFUSED = [2, 133];
/** The broker keeps no messages and takes no will that it would have to keep. */
const RETAIN_NOT_SUPPORTED = 154;
/** Not all brokers say so. So many connections in a row that came up and were soon closed look like it. */
const MANY_BRIEF = 3;

export interface ConnectionParts {
  readonly config: Config;
  readonly log: Logger;
  readonly role: Role;
  /** Address of the broker. */
  readonly url: () => string;
  /** Called with every new connection; when it rejects the connection is given up. */
  readonly onUp: (session: Session) => Promise<void>;
  /** Called when a connection is lost, be it before `onUp` was done, and when a try finds none. */
  readonly onDown?: () => void;
  /** @see openSession */
  readonly onMessage?: (packet: IPublishPacket, signal: AbortSignal) => Promise<void>;
  /** What the broker is to say when we are gone without a goodbye. */
  readonly will?: () => Announcement;
}

/** How a connection is, for `/readyz`. */
export interface ConnectionState {
  readonly up: boolean;
  readonly since: Date;
  readonly version: Version;
  /** Why it is down. */
  readonly reason: string | null;
}

/** Keeps one connection to the broker: connects, and connects again, until it is stopped. */
export class Connection {
  readonly #parts: ConnectionParts;
  readonly #stopped = new AbortController();
  readonly #backoff = new Backoff(RETRY);
  readonly #events = new EventEmitter();
  #running: Promise<void> | null = null;
  #session: Session | null = null;
  /** Whether the broker took the last connection, for however long. */
  #accepted = false;
  /** Connections in a row that came up and did not last. */
  #brief = 0;
  /** Ends the wait for the next try. */
  #pause = new AbortController();
  /** The message that is being taken, and what ends its waiting for room. */
  #receiving: Promise<unknown> = Promise.resolve();
  #waits = new AbortController();
  #state: ConnectionState;
  /** The reason that was logged last, in this outage. */
  #logged: string | null = null;
  /** Whether the will may be one that the broker keeps. */
  #retains = true;
  readonly #version = new ProtocolVersion();
  #password: string | undefined;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.#state = { up: false, since: new Date(), version: 5, reason: null };
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /**
   * Begins to connect; does not wait for it.
   * @param version MQTT version to try first.
   * @param password instead of the configured one.
   */
  start(version: Version = 5, password?: string): void {
    this.#version.current = version;
    this.#password = password;
    this.#running ??= this.#run();
  }

  /** Tries at once, where it waits for a broker that was away; not one that has hung up on us. */
  hurry(): void {
    if (!this.#accepted) this.#pause.abort();
  }

  /**
   * Resolves when the connection is up, at once where it is.
   * @throws AbortError
   */
  async whenUp(signal: AbortSignal): Promise<void> {
    if (!this.#state.up) await once(this.#events, 'up', { signal });
  }

  /**
   * Ends the connection as MQTT wants it, so that no will is sent. A message that is just being
   * stored is acknowledged first; one that waits for room is not, and comes again.
   */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#pause.abort();
    this.#waits.abort();
    await within(STOP_MS, this.#receiving);
    await this.#session?.leave();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const begun = performance.now();
      const end = await this.#once();
      if (signal.aborted) return;
      if (end === null) continue;
      if (performance.now() - begun >= STABLE_MS) {
        this.#backoff.reset();
        this.#brief = 0;
      } else if (this.#state.up) {
        this.#brief += 1;
      }
      this.#down(end);
      this.#pause = new AbortController();
      await setTimeout(this.#backoff.next(), null, { signal: this.#pause.signal }).catch(() => {});
    }
  }

  /** One connection. @returns why it ended; null where another way is to be tried at once. */
  async #once(): Promise<Error | null> {
    const { config, role, url, onUp, will } = this.#parts;
    const stop = this.#stopped.signal;
    const waits = new AbortController();
    this.#waits = waits;
    this.#accepted = false;
    try {
      const options = await connectOptions(config, role, this.#version.current, this.#password);
      if (will) options.will = { ...will(), qos: 1, retain: this.#retains };
      const maxPacket = largestPacket(config.limits.upload_bytes);
      // On a connection that is ended at once nothing is taken: it comes again on the next.
      const onMessage = (packet: IPublishPacket, gone: AbortSignal) =>
        this.#version.isGuess
          ? once(gone, 'abort').then(() => {})
          : this.#receive(packet, gone, waits.signal);
      const session = await openSession({ url: url(), options, maxPacket, onMessage, stop });
      if (this.#version.isGuess) {
        await session.leave();
        this.#version.check();
        return null;
      }
      // Asked anew each time: the broker may keep messages from now on.
      this.#retains = session.connack.properties?.retainAvailable !== false;
      this.#session = session;
      this.#accepted = true;
      await Promise.race([onUp(session), session.ended]).catch((error) => {
        session.client.end(true);
        throw error;
      });
      if (!session.signal.aborted) this.#up(session);
      return await session.ended;
    } catch (error) {
      return this.#refused(error) ? null : (error as Error);
    } finally {
      waits.abort();
      this.#session = null;
    }
  }

  /** There is no connection. @returns whether another MQTT version, or a will without retain, may help. */
  #refused(error: unknown): boolean {
    const reason = error instanceof ConnectionError ? error.reason : null;
    if (this.#version.refused(reason)) return true;
    if (!this.#retains || reason !== RETAIN_NOT_SUPPORTED) return false;
    this.#retains = false;
    return true;
  }

  async #receive(packet: IPublishPacket, gone: AbortSignal, waits: AbortSignal): Promise<void> {
    const receiving = this.#parts.onMessage?.(packet, waits) ?? Promise.resolve();
    this.#receiving = receiving;
    try {
      await receiving;
    } catch (error) {
      if (this.#stopped.signal.aborted && !gone.aborted) await once(gone, 'abort');
      else if (!gone.aborted) this.#parts.log.error({ err: error }, 'a message was not taken');
      throw error;
    }
  }

  #up({ version }: Session): void {
    this.#version.worked();
    this.#state = { up: true, since: new Date(), version, reason: null };
    this.#logged = null;
    const { log, role, url } = this.#parts;
    log.info({ url: url(), role, mqtt: versionName(version) }, 'connected to the broker');
    this.#events.emit('up');
  }

  #down(error: Error): void {
    const { log, role, url, onDown } = this.#parts;
    const olderNext = this.#version.failed(error);
    const reason = explain(error, this.#accepted ? this.#brief : 0);
    const first = this.#state.up || this.#state.reason === null;
    const since = first ? new Date() : this.#state.since;
    // One line for an outage, and one whenever its reason changes.
    if (!olderNext && this.#logged !== reason) {
      this.#logged = reason;
      log.warn({ url: url(), role, reason }, 'no connection to the broker; trying again');
    }
    this.#state = { up: false, since, version: this.#version.current, reason };
    onDown?.();
  }
}

function explain(error: Error, brief: number): string {
  if (!(error instanceof ConnectionError)) return error.message;
  if (error.reason === TAKEN_OVER) {
    return 'another client has our client id: give every box its own node.id';
  }
  if (error.reason !== null && ID_REFUSED.includes(error.reason)) {
    return `${error.message}: perhaps it is another client's (every box and daemon needs its own node.id)`;
  }
  if (error.reason === null && brief >= MANY_BRIEF) {
    return `${error.message}, again soon after it had come up: perhaps another client has our client id (every box needs its own node.id), or the broker does not allow one of our topics`;
  }
  if (error.silent)
    return `what listens there does not answer as an MQTT broker (${error.message})`;
  return error.message;
}
