import type { Message, OutboxEntry } from '../../daemon/ports.ts';
import type { Logger } from '../../log.ts';
import { Backoff } from './backoff.ts';

/** Milliseconds between tries at what the broker refused. */
const RETRY = { first: 1000, longest: 60_000 };
/** Refused messages held here; with more nothing new is taken from the outbox. */
const HELD = 1000;

type Kind = Message['kind'];

interface Refused {
  readonly reason: string;
  readonly backoff: Backoff;
  readonly entries: OutboxEntry[];
  /** `Date.now()` of the next try. */
  next: number;
  /** The first of `entries` is with the broker. */
  trying: boolean;
}

/**
 * Messages that the broker answers with an error (no right to the topic, over a quota). They stay
 * in the outbox; one of them is tried now and then, and when it is taken the others follow. The
 * other kind of message goes on meanwhile.
 */
export class Refusals {
  readonly #log: Logger;
  readonly #refused = new Map<Kind, Refused>();
  #ready: OutboxEntry[] = [];

  constructor(log: Logger) {
    this.#log = log;
  }

  /** For `/readyz`; null while nothing is refused. */
  get detail(): string | null {
    const parts = [...this.#refused].map(([kind, { reason }]) => `refuses ${kind}s: ${reason}`);
    return parts.length > 0 ? parts.join('; ') : null;
  }

  /** No more can be held. */
  get full(): boolean {
    let held = this.#ready.length;
    for (const { entries } of this.#refused.values()) held += entries.length;
    return held >= HELD;
  }

  /** The broker said no. */
  refused(entry: OutboxEntry, error: Error): void {
    const { kind } = entry.message;
    let state = this.#refused.get(kind);
    if (state === undefined) {
      state = {
        ...{ reason: error.message, backoff: new Backoff(RETRY), entries: [] },
        ...{ next: 0, trying: true },
      };
      this.#refused.set(kind, state);
      this.#log.error({ kind, reason: error.message }, 'the broker refuses messages; trying again');
    }
    state.entries.push(entry);
    if (!state.trying) return;
    state.trying = false;
    state.next = Date.now() + state.backoff.next();
  }

  /** The broker has taken one of this kind. */
  accepted(kind: Kind): void {
    const state = this.#refused.get(kind);
    if (state === undefined) return;
    this.#refused.delete(kind);
    this.#ready.push(...state.entries);
    this.#log.info({ kind }, 'the broker takes messages again');
  }

  /** @returns whether the message is kept back, because its kind is refused at present. */
  hold(entry: OutboxEntry): boolean {
    const state = this.#refused.get(entry.message.kind);
    state?.entries.push(entry);
    return state !== undefined;
  }

  /** At most `limit` messages to try now. */
  due(limit: number): OutboxEntry[] {
    const due = this.#ready.splice(0, limit);
    for (const state of this.#refused.values()) {
      if (due.length >= limit || state.trying || state.next > Date.now()) continue;
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
  }
}
