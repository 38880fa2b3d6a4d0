import type { Message, OutboxEntry } from '../../daemon/ports.ts';
import type { Logger } from '../../log.ts';
import { Backoff } from './backoff.ts';

/** Milliseconds between tries at what the broker refused. */
const RETRY = { first: 1000, longest: 60_000 };

type Kind = Message['kind'];

/** Why a kind of message is refused, and what waits for that to change. */
interface Refused {
  readonly reason: string;
  readonly backoff: Backoff;
  /** Of messages that stay in the outbox. */
  readonly keys: string[];
  /** Key of the one that is tried. */
  tried: string | null;
  /** `performance.now()` of the next try. */
  next: number;
}

/**
 * Messages that the broker answers with an error (no right to the topic, over a quota). They stay
 * in the outbox; one of them is tried now and then, each in its turn, and when one is taken the
 * others follow. The other kind of message goes on meanwhile.
 */
export class Refusals {
  readonly #log: Logger;
  readonly #refused = new Map<Kind, Refused>();
  /** Messages too large for this broker, and what was said of the first. */
  #large = { count: 0, reason: '' };

  constructor(log: Logger) {
    this.#log = log;
  }

  /** For `/readyz`; null while nothing is refused. */
  get detail(): string | null {
    const parts = [...this.#refused].map(([kind, { reason }]) => `refuses ${kind}s: ${reason}`);
    const { count, reason } = this.#large;
    if (count > 0) parts.push(`takes none so large, ${count} wait: ${reason}`);
    return parts.length > 0 ? parts.join('; ') : null;
  }

  /** The broker said no. */
  refused({ key, message: { kind } }: OutboxEntry, { message: reason }: Error): void {
    const state = this.#refused.get(kind);
    if (state) state.keys.push(key);
    else {
      const backoff = new Backoff(RETRY);
      const next = performance.now() + backoff.next();
      this.#refused.set(kind, { reason, backoff, keys: [key], tried: null, next });
      this.#log.error({ kind, reason }, 'the broker refuses messages; trying again');
    }
  }

  /** It would be refused at every try: it waits for the next connection, and others not for it. */
  tooLarge({ key, message: { kind } }: OutboxEntry, { message: reason }: Error): void {
    if (this.#large.count === 0) {
      this.#large.reason = reason;
      this.#log.error({ kind, entry: key, reason }, 'a message is too large for the broker');
    }
    this.#large.count += 1;
    const state = this.#refused.get(kind);
    if (state?.tried === key) state.next = 0; // another is tried
  }

  /**
   * The broker has taken one of this kind.
   * @returns keys of what waited for that.
   */
  accepted(kind: Kind): readonly string[] {
    const state = this.#refused.get(kind);
    if (state === undefined) return [];
    this.#refused.delete(kind);
    this.#log.info({ kind }, 'the broker takes messages again');
    return state.keys;
  }

  /** @returns whether the message is kept back, because its kind is refused at present. */
  hold({ key, message: { kind } }: OutboxEntry): boolean {
    const state = this.#refused.get(kind);
    if (state === undefined || state.tried === key) return false;
    state.keys.push(key);
    return true;
  }

  /** @returns keys of what is to be tried now. */
  due(): readonly string[] {
    const now = performance.now();
    const due: string[] = [];
    for (const state of this.#refused.values()) {
      const key = state.next > now ? undefined : state.keys.shift();
      if (key === undefined) continue;
      state.tried = key;
      state.next = now + state.backoff.next();
      due.push(key);
    }
    return due;
  }

  /** Forgets everything: the outbox has it all again. */
  clear(): void {
    this.#refused.clear();
    this.#large = { count: 0, reason: '' };
  }
}
