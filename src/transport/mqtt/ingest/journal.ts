import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeOwnFolder } from '../../../files/own-folder.ts';
import type { Logger } from '../../../log.ts';

/** Far more than any broker has unacknowledged at once. */
const ENTRIES = 1024;
/** Lines after which the file is written anew. */
const LINES = 8 * ENTRIES;

/** Milliseconds in which an acknowledgement may have been lost with its connection. */
const DOUBT_MS = 2000;
/** Milliseconds after our start in which a sender comes back that was cut off by our end. */
const RETURN_MS = 60_000;

/** What `ackedAt` is instead of a time. */
const NOT_ACKED = 0;
const LONG_AGO = -1;
/** By the last run, in its last moments: perhaps it ended before the sender heard of it. */
const AT_START = 1;

interface Entry {
  readonly id: string;
  /** Milliseconds of this process (the clock may be set), or one of the above. */
  ackedAt: number;
  /** A file named by `path` was there, so where it is gone now, we have taken it. */
  hadFile: boolean;
}

/** One line of the file; `acked` is an entry's `ackedAt`, in the run that wrote the line. */
type Line = { k: string; id?: string; acked?: number; file?: true };

/**
 * Which id each of the last messages without a sender's id got. A broker that sends a message
 * again, because the acknowledgement was lost in a crash, gets it the same id; the same photo sent
 * twice on purpose gets two.
 *
 * Lines are appended without fsync: they survive the process. After a power cut a message that was
 * in flight may be tagged again under a second id.
 */
export class Journal {
  readonly #path: string;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  #file: FileHandle | null = null;
  #lines = 0;
  #broken = false;
  #openedAt = 0;
  /** One write at a time: the file is exchanged now and then. */
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  /** Reads what the last run wrote; what cannot be read or written is no reason not to start. */
  async open(): Promise<void> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    for (const line of text.split('\n')) this.#replay(line);
    const entries = [...this.#entries.values()];
    const since = Math.max(...entries.map(({ ackedAt }) => ackedAt)) - DOUBT_MS;
    for (const entry of entries) {
      if (entry.ackedAt > NOT_ACKED) entry.ackedAt = entry.ackedAt >= since ? AT_START : LONG_AGO;
    }
    this.#openedAt = performance.now();
    await this.#try(() => this.#rewrite());
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = null;
  }

  /**
   * The id of a message.
   * @param key says which message: session, packet id and content.
   * @param dup the broker says that it has sent it before.
   */
  async idOf(key: string, dup: boolean): Promise<{ id: string; hadFile: boolean }> {
    const known = this.#entries.get(key);
    const returning = performance.now() - this.#openedAt < RETURN_MS;
    if (known && returning && known.ackedAt === AT_START) known.ackedAt = NOT_ACKED;
    // Not every sender sets the flag (mqtt.js, aedes); one that was not acknowledged is the same in
    // any case.
    if (known && (dup || known.ackedAt === NOT_ACKED)) {
      return { id: known.id, hadFile: known.hadFile };
    }
    const entry = { id: randomUUID(), ackedAt: NOT_ACKED, hadFile: false };
    this.#keep(key, entry);
    await this.#append({ k: key, id: entry.id });
    return { id: entry.id, hadFile: false };
  }

  /** The file that the message names was there when it was about to be taken. */
  async sawFile(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.hadFile) return;
    entry.hadFile = true;
    await this.#append({ k: key, file: true });
  }

  /** The acknowledgement is about to be sent. */
  async acked(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.ackedAt !== NOT_ACKED) return;
    entry.ackedAt = Math.ceil(performance.now());
    await this.#append({ k: key, acked: entry.ackedAt });
  }

  /**
   * A connection was lost: whether the last acknowledgements arrived is not known. Brokers that do
   * not set the flag (aedes) would else get their message a second id.
   */
  doubt(): void {
    const since = performance.now() - DOUBT_MS;
    for (const entry of this.#entries.values()) {
      if (entry.ackedAt > NOT_ACKED && entry.ackedAt >= since) entry.ackedAt = NOT_ACKED;
    }
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > ENTRIES) this.#entries.delete(oldest as string);
  }

  #replay(text: string): void {
    try {
      const { k, id, acked = NOT_ACKED, file: hadFile = false } = JSON.parse(text) as Line;
      if (id !== undefined) this.#keep(k, { id, ackedAt: acked, hadFile });
      const entry = this.#entries.get(k);
      if (entry && acked !== NOT_ACKED) entry.ackedAt = acked;
      if (entry && hadFile) entry.hadFile = true;
    } catch {
      // The last line of a crash, or the empty one at the end.
    }
  }

  #append(line: Line): Promise<void> {
    const write = async () => {
      // What is written anew has this line's news in it.
      if (this.#file === null || this.#lines >= LINES) return this.#rewrite();
      this.#lines += 1;
      await this.#file.appendFile(`${JSON.stringify(line)}\n`);
    };
    this.#writing = this.#writing.then(() => this.#try(write));
    return this.#writing;
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#broken = false;
    } catch (error) {
      // Without it a crash could give a message a second id: no reason to take none.
      if (!this.#broken)
        this.#log.warn({ err: error }, 'the journal of messages cannot be written');
      this.#broken = true;
      // The next write writes everything anew.
      const file = this.#file;
      this.#file = null;
      await file?.close().catch(() => {});
    }
  }

  async #rewrite(): Promise<void> {
    const lines = [...this.#entries].map(([k, { id, ackedAt, hadFile }]) => {
      const line: Line = {
        ...{ k, id },
        ...(ackedAt !== NOT_ACKED && { acked: ackedAt }),
        ...(hadFile && { file: hadFile }),
      };
      return `${JSON.stringify(line)}\n`;
    });
    const temporary = `${this.#path}.tmp`;
    await makeOwnFolder(dirname(this.#path));
    await writeFile(temporary, lines.join(''), { mode: 0o640 });
    await rename(temporary, this.#path);
    const old = this.#file;
    this.#file = null;
    await old?.close();
    this.#file = await open(this.#path, 'a');
    this.#lines = lines.length;
  }
}
