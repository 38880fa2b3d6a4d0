import type { Message, OutboxEntry } from '../../daemon/ports.ts';
import type { Logger } from '../../log.ts';
import { Backoff } from './backoff.ts';

/** Milliseconds between tries at what the broker refused. */
const RETRY = { first: 1000, longest: 60_000 };
/** Refused messages of a kind in memory. */
const HELD = 1000;
/** Keys of more of them. Beyond, nothing of either kind is taken from the outbox. */
const PARKED = 100_000;

type Kind = Message['kind'];

interface Refused {
  readonly reason: string;
  readonly backoff: Backoff;
  readonly entries: OutboxEntry[];
  /** Keys in the outbox of what is over `HELD`. */
  readonly parked: string[];
  /** `performance.now()` of the next try. */
  next: number;
  /** The first of `entries` is with the broker. */
  trying: boolean;
}

/**
 * Messages that the broker answers with an error (no right to the topic, over a quota). They stay
 * in the outbox; one of them is tried now and then, each in its turn, and when one is taken the
 * others follow. The other kind of message goes on meanwhile.
 */
export class Refusals {
  readonly #log: Logger;
  readonly #refused = new Map<Kind, Refused>();
  #ready: OutboxEntry[] = [];
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

  /** No more can be held. */
  get full(): boolean {
    return [...this.#refused.values()].some(({ parked }) => parked.length >= PARKED);
  }

  /** The broker said no. */
  refused(entry: OutboxEntry, error: Error): void {
    const { kind } = entry.message;
    let state = this.#refused.get(kind);
    if (state === undefined) {
      state = {
        ...{ reason: error.message, backoff: new Backoff(RETRY) },
        ...{ entries: [], parked: [] },
        ...{ next: 0, trying: true },
      };
      this.#refused.set(kind, state);
      this.#log.error({ kind, reason: error.message }, 'the broker refuses messages; trying again');
    }
    keep(state, entry);
    if (!state.trying) return;
    state.trying = false;
    state.next = performance.now() + state.backoff.next();
  }

  /** It would be refused at every try: it waits for the next connection, and others not for it. */
  tooLarge({ key, message: { kind } }: OutboxEntry, { message: reason }: Error): void {
    if (this.#large.count === 0) {
      this.#large.reason = reason;
      this.#log.error({ kind, entry: key, reason }, 'a message is too large for the broker');
    }
    this.#large.count += 1;
    const state = this.#refused.get(kind);
    // Perhaps this was the one that was tried: then another is.
    if (state) state.trying = false;
  }

  /**
   * The broker has taken one of this kind.
   * @returns keys of messages that are not held here and go back to the outbox.
   */
  accepted(kind: Kind): readonly string[] {
    const state = this.#refused.get(kind);
    if (state === undefined) return [];
    this.#refused.delete(kind);
    this.#ready.push(...state.entries);
    this.#log.info({ kind }, 'the broker takes messages again');
    return state.parked;
  }

  /** @returns whether the message is kept back, because its kind is refused at present. */
  hold(entry: OutboxEntry): boolean {
    const state = this.#refused.get(entry.message.kind);
    if (state !== undefined) keep(state, entry);
    return state !== undefined;
  }

  /** At most `limit` messages to try now. */
  due(limit: number): OutboxEntry[] {
    const due = this.#ready.splice(0, limit);
    for (const state of this.#refused.values()) {
      if (due.length >= limit || state.trying || state.next > performance.now()) continue;
      const entry = state.entries.shift();
      if (entry === undefined) continue;
      state.trying = true;
      due.push(entry);
    }
    return due;
  }

  /** Forgets everything: the outbox has it all again. */
  clear(): void {
    this.#refused.clear();
    this.#ready = [];
    this.#large = { count: 0, reason: '' };
  }
}

function keep({ entries, parked }: Refused, entry: OutboxEntry): void {
  if (entries.length < HELD) entries.push(entry);
  else parked.push(entry.key);
}
