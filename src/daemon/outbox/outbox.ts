import type { Logger } from '../../log.ts';
import type { Hold, Message, Outbox, OutboxEntry } from '../ports.ts';
import { FileStore } from '../store.ts';
import { Lane, Smallest } from './lanes.ts';
import { MessageKeys, photoOf } from './message-keys.ts';

/** Largest message: scores, a path of 4,096 bytes escaped, an MQTT correlation. */
const MESSAGE_BYTES = 128 * 1024;
/** Keys held in memory per lane; the rest is listed again when needed. */
const WINDOW = 10_000;
/** Until a message that could not be read is tried again. */
const READ_AGAIN_MS = 30_000;
/** So many may wait for that; with more the disk is at fault and not a message. */
const UNREAD = 100;
const isMessage = (found: unknown): found is Message => {
  const { kind, payload } = Object(found) as Partial<Message>;
  return (kind === 'result' || kind === 'error') && typeof payload === 'object' && payload !== null;
};

/**
 * Messages waiting for the broker's acknowledgement, `<data.dir>/outbox/<key>.json`, one each.
 *
 * Two lanes, each oldest first: what is late (left from before, put while the broker was away, or
 * more than a window behind) and what is fresh. `take` serves both in turn, so a backlog of days
 * does not hold up today's results. Of the late ones only a window of keys is in memory; when it
 * is used up the folder is listed once for the next window.
 */
export class DiskOutbox implements Outbox {
  readonly #store: FileStore;
  readonly #keys = new MessageKeys();
  readonly #log: Logger;
  readonly #window: number;
  readonly #listeners = new Set<() => void>();
  /** Photo key → resolves when its message may leave the disk. */
  readonly #holds = new Map<string, Promise<void>>();
  /** On disk perhaps, but `put` has not resolved. */
  readonly #writing = new Set<string>();
  readonly #taken = new Set<string>();
  /** Of these, what could not be read. */
  readonly #unread = new Set<string>();
  /** Removed by the door, but still held. */
  readonly #delivered = new Set<string>();
  #late = new Lane();
  #fresh = new Lane();
  /** Late keys on disk may not be in the lane, or the count is wrong: listing puts both right. */
  #unlisted = false;
  /** Keys up to this one are late. */
  #boundary = '';
  #length = 0;
  /** Of `#length`, so far. */
  #changes = 0;
  /** Being removed, and counted soon. */
  #dropping = 0;
  /** From `release` to the next `take` the broker is away. */
  #away = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param window keys in memory per lane. */
  constructor(dir: string, log: Logger, window = WINDOW) {
    this.#store = new FileStore(dir, { maxEntryBytes: MESSAGE_BYTES });
    this.#log = log;
    this.#window = window;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Finds what the last run left.
   * @param photos spool keys of photos that have not been filed.
   * @returns the messages about those photos: they must not be tagged again.
   */
  async open(photos: ReadonlySet<string>): Promise<ReadonlyMap<string, Message>> {
    const known = new Map<string, string>();
    const window = new Smallest(this.#window);
    let newest = '';
    await this.#store.open((key) => {
      const photo = photoOf(key);
      if (photo === '') return;
      this.#length += 1;
      window.add(key);
      if (key > newest) newest = key;
      if (photos.has(photo)) known.set(photo, key);
    });
    this.#late = new Lane(window.sorted());
    this.#unlisted = this.#length > this.#late.length;
    this.#keys.continueAfter(newest);
    this.#boundary = this.#keys.next();
    const messages = new Map<string, Message>();
    for (const [photo, key] of known) {
      try {
        const message = await this.#read(key);
        if (message !== null) messages.set(photo, message);
      } catch (error) {
        this.#log.error({ err: error, entry: key }, 'unreadable: its photo is tagged once more');
      }
    }
    return messages;
  }

  async put(message: Message, hold?: Hold): Promise<void> {
    const key = this.#keys.next(hold?.photo);
    if (hold) this.hold(hold);
    this.#writing.add(key);
    try {
      await this.#store.put(key, message);
    } catch (error) {
      // It may be there all the same, and is put again under another key.
      await this.#store.remove(key).catch(() => {});
      throw error;
    } finally {
      this.#writing.delete(key);
    }
    this.#count(1);
    if (this.#away || key <= this.#boundary) {
      this.#unlisted = true;
      if (key > this.#boundary) this.#boundary = key;
    } else {
      this.#fresh.insert(key);
      if (this.#fresh.length > this.#window) this.#fallBehind();
    }
    this.#tell();
  }

  hold({ photo, until }: Hold): void {
    const held = until
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        if (this.#holds.get(photo) === held) this.#holds.delete(photo);
      });
    this.#holds.set(photo, held);
  }

  take(limit: number): Promise<readonly OutboxEntry[]> {
    const turn = this.#turn.then(() => this.#take(limit));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async remove(entry: OutboxEntry): Promise<void> {
    this.#delivered.add(entry.key);
    this.#taken.delete(entry.key);
    const held = this.#holds.get(photoOf(entry.key));
    if (held === undefined) return this.#drop(entry.key);
    // The door is not made to wait for the filing of the photo.
    held
      .then(() => this.#drop(entry.key))
      .catch((error) => {
        this.#log.warn({ err: error, entry: entry.key }, 'a delivered message stays until restart');
      });
  }

  release(): void {
    this.#away = true;
    this.#taken.clear();
    this.#unread.clear();
    this.#late = new Lane();
    this.#fresh = new Lane();
    // With nothing there, too: a listing also puts the count right.
    this.#unlisted = true;
    this.#boundary = this.#keys.next();
  }

  giveBack(keys: readonly string[]): void {
    const back = keys.filter((key) => this.#taken.delete(key));
    const late = back.filter((key) => key <= this.#boundary);
    for (const key of back) if (key > this.#boundary) this.#fresh.insert(key);
    if (late.length > 0) {
      // Older than what is in the lane, perhaps; the next listing puts all in order.
      this.#unlisted = true;
      this.#late = new Lane();
    }
    if (this.#fresh.length > this.#window) this.#fallBehind();
  }

  onPut(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #take(limit: number): Promise<readonly OutboxEntry[]> {
    this.#away = false;
    const entries: OutboxEntry[] = [];
    const gone = new Set<string>();
    try {
      for (let late = true; entries.length < limit; late = !late) {
        if (this.#late.length === 0 && this.#unlisted) await this.#list();
        const next = this.#next(late);
        if (next === null) break;
        const { key } = next;
        if (this.#delivered.has(key)) continue;
        this.#taken.add(key);
        const message = await this.#read(key).catch((error) => this.#putOff(key, error));
        if (message === undefined) continue;
        if (message !== null) entries.push({ ...next, message });
        else {
          this.#taken.delete(key);
          // Somebody has removed it: the count is wrong until the next listing. But once only: what is
          // listed and never there (a dead link, a damaged folder) would be listed without end.
          if (!gone.has(key)) this.#unlisted = true;
          gone.add(key);
        }
      }
    } catch (error) {
      // A failing disk: all go back to where a listing finds them.
      this.giveBack(entries.map(({ key }) => key));
      throw error;
    }
    return entries;
  }

  /** One file that cannot be read (another's, a bad block) holds up no other. */
  #putOff(key: string, error: unknown): void {
    if (this.#unread.size >= UNREAD) {
      this.giveBack([key]);
      throw error;
    }
    if (this.#unread.size === 0) {
      this.#log.error({ err: error, entry: key }, 'a message cannot be read; it is tried again');
      setTimeout(() => this.#readAgain(), READ_AGAIN_MS).unref();
    }
    this.#unread.add(key);
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

  /** From the preferred lane, else from the other. */
  #next(preferLate: boolean): { key: string; late: boolean } | null {
    for (const late of [preferLate, !preferLate]) {
      const key = (late ? this.#late : this.#fresh).shift();
      if (key !== undefined) return { key, late };
    }
    return null;
  }

  async #drop(key: string): Promise<void> {
    this.#dropping += 1;
    try {
      if (await this.#store.remove(key)) this.#count(-1);
      this.#delivered.delete(key);
    } finally {
      this.#dropping -= 1;
    }
  }

  /** The broker is connected but slower than we are: what waits is late, and off the memory. */
  #fallBehind(): void {
    this.#unlisted = true;
    this.#fresh = new Lane();
    this.#boundary = this.#keys.next();
  }

  /** The next window of late keys, in one pass over the folder. */
  async #list(): Promise<void> {
    const window = new Smallest(this.#window);
    const changes = this.#changes;
    let all = 0;
    let seen = 0;
    // Before the listing: what comes while it lasts, or a lost connection, may be missed by it.
    this.#unlisted = false;
    try {
      for await (const key of this.#store.keys()) {
        if (photoOf(key) === '') continue;
        if (!this.#writing.has(key)) all += 1;
        if (key > this.#boundary) continue;
        if (this.#taken.has(key) || this.#delivered.has(key) || this.#writing.has(key)) continue;
        seen += 1;
        window.add(key);
      }
    } catch (error) {
      this.#unlisted = true;
      throw error;
    }
    this.#late = new Lane(window.sorted());
    if (changes === this.#changes && this.#dropping === 0) this.#length = all;
    if (seen > this.#late.length) this.#unlisted = true;
  }

  /** @returns null for an entry that is gone or says nothing; the latter is set aside. */
  async #read(key: string): Promise<Message | null> {
    try {
      const found = await this.#store.get(key);
      if (found === null || isMessage(found)) return found;
      throw new SyntaxError('no message');
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#log.error({ err: error, entry: key }, 'unreadable outbox entry set aside');
      await this.#store.setAside(key);
      this.#count(-1);
      return null;
    }
  }

  #count(more: 1 | -1): void {
    this.#length += more;
    this.#changes += 1;
  }
}
