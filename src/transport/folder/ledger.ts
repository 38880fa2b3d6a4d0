import { createReadStream } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { isCode } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';

const ID = /^[0-9a-f]{32}$/;
/** Lines are gathered for so long before they are synced; a crash repeats at most these. */
const FLUSH_MS = 500;
/** Full scans in which a file must be missing before it may be forgotten. */
const FORGET_AFTER = 2;
const LEDGER_LIMIT = 250_000;
const DURABLY = { mode: 0o640, flush: true };

/**
 * Which files of a watch folder in `keep` mode are done: a text file with one id a line, appended
 * to, and written anew when more than half of it is about files that are gone. Those are forgotten
 * only where room is needed, since a disk that is away looks like one that was emptied. When it is
 * full nothing new is taken: forgetting would tag old photos again and again.
 */
export class Ledger {
  readonly #path: string;
  readonly #log: Logger;
  readonly #limit: number;
  /** Id → number of the last scan that saw the file. */
  readonly #seen = new Map<string, number>();
  #scan = 0;
  #lines = 0;
  #unwritten: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #work: Promise<void> = Promise.resolve();

  constructor(path: string, log: Logger, limit = LEDGER_LIMIT) {
    this.#path = path;
    this.#log = log;
    this.#limit = limit;
  }

  get size(): number {
    return this.#seen.size;
  }

  get full(): boolean {
    return this.#seen.size >= this.#limit;
  }

  async load(): Promise<void> {
    try {
      const input = createReadStream(this.#path);
      for await (const line of createInterface({ input })) {
        this.#lines += 1;
        // A torn last line is no id.
        if (ID.test(line)) this.#seen.set(line, 0);
      }
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
  }

  /** Also notes that the file is still there. */
  has(id: string): boolean {
    if (!this.#seen.has(id)) return false;
    this.#seen.set(id, this.#scan);
    return true;
  }

  add(id: string): void {
    if (this.has(id)) return;
    this.#seen.set(id, this.#scan);
    this.#unwritten.push(id);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS);
  }

  /** Call before a scan of the whole folder. */
  beginScan(): void {
    this.#scan += 1;
  }

  /**
   * Call after a scan that could read everything: where it is more than half full, files long gone
   * are forgotten, those first that were tagged first.
   * @param files met by the scan; with none the folder may be the place of a disk that is away.
   */
  async endScan(files: number): Promise<void> {
    if (files === 0) return;
    const enough = Math.floor(this.#limit / 2);
    for (const [id, seen] of this.#seen) {
      if (this.#seen.size <= enough) break;
      if (seen <= this.#scan - FORGET_AFTER) this.#seen.delete(id);
    }
    if (this.#lines > 2 * this.#seen.size + 1000) await this.#enqueue(() => this.#rewrite());
  }

  /** Resolves when everything added is durable, or has been tried. */
  flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    return this.#enqueue(() => this.#append());
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error) => {
      this.#log.warn({ err: error }, 'the ledger of kept photos cannot be written');
    });
    return this.#work;
  }

  async #append(): Promise<void> {
    const ids = [...this.#unwritten];
    if (ids.length === 0) return;
    // A leading newline: a torn line before must not swallow the first id.
    await appendFile(this.#path, `\n${ids.join('\n')}\n`, DURABLY);
    this.#unwritten = this.#unwritten.slice(ids.length);
    this.#lines += ids.length + 1;
  }

  async #rewrite(): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    const ids = [...this.#seen.keys()];
    const written = this.#unwritten.length;
    await writeFile(temporary, `${ids.join('\n')}\n`, DURABLY);
    await rename(temporary, this.#path);
    this.#lines = ids.length;
    this.#unwritten = this.#unwritten.slice(written);
  }
}
