import type { TaggerInfo } from '../../inference/tagger.ts';
import type { Logger } from '../../log.ts';
import { version } from '../../version.ts';
import { Backoff } from './backoff.ts';
import type { Session } from './client/session.ts';
import type { Announcement } from './discovery.ts';
import { within } from './within.ts';

/** How often the model and engine are looked at, in milliseconds. */
const LOOK_MS = 2000;
/** Milliseconds between tries at what the broker refused. */
const RETRY = { first: LOOK_MS, longest: 60_000 };
/** Longest wait for the broker's acknowledgement, in milliseconds. */
const ACK_MS = 1000;

type State = 'online' | 'offline';

export interface PresenceParts {
  /** `<base>/status` */
  readonly topic: string;
  readonly info: () => TaggerInfo | null;
  /** What else is told of this box, once a model is loaded; null for nothing. */
  readonly discovery: (info: TaggerInfo) => Announcement | null;
  readonly log: Logger;
}

/** `<base>/status`, retained: online with what is loaded; offline by ourselves or by Last Will. */
export class Presence {
  readonly #parts: PresenceParts;
  #session: Session | null = null;
  /** Payloads on this connection by topic. */
  readonly #told = new Map<string, string>();
  /** What the broker has refused on this connection, by topic, and when it is tried again. */
  readonly #refused = new Map<string, { backoff: Backoff; next: number }>();
  #timer: NodeJS.Timeout | null = null;
  #left = false;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** The Last Will. */
  will(): Announcement {
    return this.#status('offline');
  }

  /** Says that we are here and what we are, and again whenever the model or engine changes. */
  up(session: Session): void {
    if (this.#left) return;
    this.#session = session;
    this.#told.clear();
    this.#refused.clear();
    this.#look();
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  down(): void {
    this.#session = null;
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Says goodbye, for good. Resolves when the broker knows, or after a second. */
  async leave(): Promise<void> {
    const session = this.#session;
    this.#left = true;
    this.down();
    if (session === null || session.signal.aborted) return;
    await within(ACK_MS, this.#publish(session, this.#status('offline')));
  }

  #look(): void {
    const info = this.#parts.info();
    const discovery = info && this.#parts.discovery(info);
    for (const announcement of [this.#status('online'), discovery]) {
      if (this.#session === null || announcement === null) continue;
      const { topic, payload } = announcement;
      if (this.#told.get(topic) === payload) continue;
      if ((this.#refused.get(topic)?.next ?? 0) > performance.now()) continue;
      this.#told.set(topic, payload);
      void this.#publish(this.#session, announcement);
    }
  }

  async #publish(session: Session, { topic, payload }: Announcement): Promise<void> {
    const retain = session.connack.properties?.retainAvailable !== false;
    try {
      await session.publish(topic, payload, { retain });
      this.#refused.delete(topic);
    } catch (error) {
      // The next connection says it all anew.
      if (session === this.#session && !session.signal.aborted) this.#refuse(topic, error);
    }
  }

  /** Who gets the right to the topic later, or room in a quota, has no new connection for it. */
  #refuse(topic: string, error: unknown): void {
    const before = this.#refused.get(topic);
    if (!before) this.#parts.log.warn({ err: error, topic }, 'the broker refused our status');
    const backoff = before?.backoff ?? new Backoff(RETRY);
    this.#refused.set(topic, { backoff, next: performance.now() + backoff.next() });
    this.#told.delete(topic);
  }

  #status(state: State): Announcement {
    const info = this.#parts.info();
    const payload = JSON.stringify({
      state,
      version,
      model: info?.model ?? null,
      engine: info?.engine ?? null,
    });
    return { topic: this.#parts.topic, payload };
  }
}
