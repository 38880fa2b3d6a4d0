import type { Logger } from '../../log.ts';
import type { HomeDisk } from '../home-disk.ts';
import type { Hold, Message, Outbox, OutboxEntry } from '../ports.ts';
import { FileStore } from '../store.ts';
import { Lane } from './lane.ts';
import { MessageKeys, photoOf } from './message-keys.ts';

/** Largest message: scores, a path of 4,096 bytes escaped, an MQTT correlation. */
const MESSAGE_BYTES = 128 * 1024;
/** Until a message that could not be read is tried again. */
const READ_AGAIN_MS = 30_000;
/** So many may wait for that; with more the disk is at fault and not a message. */
const UNREAD = 100;
const isMessage = (found: unknown): found is Message => {
  const { kind, payload } = Object(found) as Partial<Message>;
  return (kind === 'result' || kind === 'error') && typeof payload === 'object' && payload !== null;
};

/**
 * Messages waiting for the broker's acknowledgement, `<data.dir>/outbox/<key>.json`, one each; their
 * keys are in memory (about 100 bytes each).
 *
 * Two lanes, each oldest first: what is late (left from before, or put while the broker was away)
 * and what is fresh. `take` serves both in turn, so a backlog of days does not hold up today's results.
 */
export class DiskOutbox implements Outbox {
  readonly #store: FileStore;
  readonly #keys = new MessageKeys();
  readonly #log: Logger;
  readonly #listeners = new Set<() => void>();
  /** Photo key → resolves when its message may leave the disk. */
  readonly #holds = new Map<string, Promise<void>>();
  #late = new Lane();
  #fresh = new Lane();
  /** Which lane the next one is to come from. */
  #lateNext = true;
  /** Key of what the door has → whether it is late. */
  readonly #taken = new Map<string, boolean>();
  /** Of these, what could not be read. */
  readonly #unread = new Set<string>();
  /** Removed by the door, but still on disk. */
  #leaving = 0;
  /** Of these, what the disk has not let go yet. */
  readonly #stuck = new Set<string>();
  /** From `release` to the next `take` the broker is away. */
  #away = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(home: HomeDisk, log: Logger) {
    this.#store = new FileStore(home, 'outbox', { maxEntryBytes: MESSAGE_BYTES });
    this.#log = log;
  }

  get length(): number {
    return this.#late.length + this.#fresh.length + this.#taken.size + this.#leaving;
  }

  /**
   * Finds what the last run left.
   * @param photos spool keys of photos that have not been filed.
   * @returns the messages about those photos: they must not be tagged again.
   */
  async open(photos: ReadonlySet<string>): Promise<ReadonlyMap<string, Message>> {
    const keys: string[] = [];
    await this.#store.open((key) => {
      if (photoOf(key) !== '') keys.push(key);
    });
    this.#late = new Lane(keys);
    this.#keys.continueAfter(this.#late.keys().at(-1) ?? '');
    const known = keys.filter((key) => photos.has(photoOf(key)));
    const messages = new Map<string, Message>();
    for (const key of known) {
      try {
        const message = await this.#read(key);
        if (message !== null) messages.set(photoOf(key), message);
      } catch (error) {
        this.#log.error({ err: error, entry: key }, 'unreadable: its photo is tagged once more');
      }
    }
    return messages;
  }

  async put(message: Message, hold?: Hold): Promise<void> {
    const key = this.#keys.next(hold?.photo);
    if (hold) this.hold(hold);
    try {
      await this.#store.put(key, message);
    } catch (error) {
      // It may be there all the same, and is put again under another key.
      await this.#store.remove(key).catch(() => {});
      throw error;
    }
    this.#lane(this.#away).insert(key);
    this.#tell();
  }

  hold({ photo, until }: Hold): void {
    const held = until.then(() => {
      if (this.#holds.get(photo) === held) this.#holds.delete(photo);
    });
    this.#holds.set(photo, held);
  }

  take(limit: number): Promise<readonly OutboxEntry[]> {
    const turn = this.#turn.then(() => this.#take(limit));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async remove({ key }: OutboxEntry): Promise<void> {
    if (!this.#forget(key)) return;
    this.#leaving += 1;
    const held = this.#holds.get(photoOf(key));
    if (held === undefined) return this.#drop(key);
    // The door is not made to wait for the filing of the photo.
    held
      .then(() => this.#drop(key))
      .catch((error) => {
        this.#log.warn({ err: error, entry: key }, 'a delivered message stays on disk for now');
      });
  }

  release(): void {
    this.#away = true;
    this.#late = new Lane([...this.#late.keys(), ...this.#fresh.keys(), ...this.#taken.keys()]);
    this.#fresh = new Lane();
    this.#taken.clear();
    this.#unread.clear();
  }

  giveBack(keys: readonly string[]): void {
    for (const key of keys) {
      const late = this.#taken.get(key);
      if (late === undefined) continue;
      this.#taken.delete(key);
      this.#lane(late).insert(key);
    }
  }

  onPut(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #take(limit: number): Promise<readonly OutboxEntry[]> {
    this.#away = false;
    const entries: OutboxEntry[] = [];
    try {
      while (entries.length < limit) {
        const next = this.#next();
        if (next === null) break;
        const message = await this.#read(next.key).catch((error) => this.#putOff(next.key, error));
        if (message !== null) entries.push({ ...next, message });
      }
    } catch (error) {
      this.giveBack(entries.map(({ key }) => key));
      throw error;
    }
    return entries;
  }

  /** From the lane whose turn it is, else from the other. */
  #next(): { key: string; late: boolean } | null {
    const first = this.#lateNext;
    this.#lateNext = !first;
    for (const late of [first, !first]) {
      const key = this.#lane(late).shift();
      if (key === undefined) continue;
      this.#taken.set(key, late);
      return { key, late };
    }
    return null;
  }

  #lane(late: boolean): Lane {
    return late ? this.#late : this.#fresh;
  }

  /** One file that cannot be read (another's, a bad block) holds up no other. */
  #putOff(key: string, error: unknown): null {
    if (this.#unread.size >= UNREAD) {
      this.giveBack([key]);
      throw error;
    }
    if (this.#unread.size === 0) {
      this.#log.error({ err: error, entry: key }, 'a message cannot be read; it is tried again');
      setTimeout(() => this.#readAgain(), READ_AGAIN_MS).unref();
    }
    this.#unread.add(key);
    return null;
  }

  #readAgain(): void {
    const keys = [...this.#unread];
    this.#unread.clear();
    this.giveBack(keys);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** @returns false where it had been forgotten already. */
  #forget(key: string): boolean {
    // After a lost connection what the door had is in a lane again.
    return this.#taken.delete(key) || this.#late.delete(key) || this.#fresh.delete(key);
  }

  async #drop(key: string): Promise<void> {
    try {
      await this.#store.remove(key);
    } catch (error) {
      this.#stuck.add(key);
      throw error;
    }
    this.#leaving -= 1;
    // The next is let go too, then: at the next start the broker would get it once more.
    const [next] = this.#stuck;
    if (next !== undefined && this.#stuck.delete(next)) await this.#drop(next).catch(() => {});
  }

  /** @returns null for an entry that is gone or says nothing; the latter is set aside. */
  async #read(key: string): Promise<Message | null> {
    try {
      const found = await this.#store.get(key);
      if (isMessage(found)) return found;
      if (found !== null) throw new SyntaxError('no message');
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#log.error({ err: error, entry: key }, 'unreadable outbox entry set aside');
      await this.#store.setAside(key);
    }
    this.#forget(key);
    return null;
  }
}
