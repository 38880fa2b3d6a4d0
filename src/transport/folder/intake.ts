import { constants, type Stats } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import { pathOf, printable } from '../../daemon/paths.ts';
import type { NewPhoto, Outcome, Pipeline } from '../../daemon/ports.ts';
import { openRegular } from '../../daemon/spool/body.ts';
import { RetaggerError } from '../../errors.ts';
import { fileId } from './identity.ts';
import type { Ledger } from './ledger.ts';
import type { Root } from './root.ts';
import { Settle } from './settle.ts';

/** Files watched for stability at once, and files left in their place; more wait for the next scan. */
const MAX_FILES = 10_000;

export interface IntakeParts {
  readonly pipeline: Pipeline;
  readonly root: Root;
  /** The photos that are done; null where none stays in the folder. */
  readonly ledger: Ledger | null;
  readonly settleMs: number;
  /** Ends the wait for room. */
  readonly signal: AbortSignal;
}

/** Takes a file once: when it has stopped changing, there is room, and it is not done already. */
export class Intake {
  readonly #pipeline: Pipeline;
  readonly #root: Root;
  readonly #ledger: Ledger | null;
  readonly #signal: AbortSignal;
  readonly #settle: Settle;
  /** Files turned down but left in their place (too large to copy from another disk). */
  readonly #left = new Set<string>();
  #unsubscribe = () => {};

  constructor({ pipeline, root, ledger, settleMs, signal }: IntakeParts) {
    this.#pipeline = pipeline;
    this.#root = root;
    this.#ledger = ledger;
    this.#signal = signal;
    this.#settle = new Settle(settleMs, MAX_FILES);
  }

  /** Before the first file is looked at. */
  async start(): Promise<void> {
    // First: while the ledger is read a photo of the last run may end.
    this.#unsubscribe = this.#pipeline.onOutcome((outcome) => this.#ended(outcome));
    await this.#ledger?.load();
  }

  /** After the last look: until then an outcome may be that of a photo just taken. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#ledger?.flush();
  }

  /**
   * @param stats those of a regular file.
   * @returns milliseconds until it should be looked at again; 0 when it is dealt with.
   * @throws Error where the file cannot be taken.
   */
  async consider(path: Buffer, key: string, stats: Stats): Promise<number> {
    const id = this.#idOf(path, stats);
    if (this.#ledger ? this.#ledger.has(id) || this.#ledger.full : this.#left.has(id)) return 0;
    if (this.#settle.full && !this.#settle.has(key)) return 0;
    const waitMs = this.#settle.look(key, stats);
    if (waitMs > 0) return waitMs;
    return (await this.#take(path, id)) ? 0 : 1;
  }

  /** It is gone, or no file: one that comes in its place begins anew. */
  forget(key: string): void {
    this.#settle.forget(key);
  }

  #ended(outcome: Outcome): void {
    const { photo } = outcome;
    if (photo.source !== 'folder') return;
    // A disk that was pulled out may come back.
    if (!outcome.ok && outcome.failure.code === 'file_missing') return;
    if (this.#ledger) this.#ledger.add(photo.id);
    else if (photo.body === 'kept' && this.#left.size < MAX_FILES) this.#left.add(photo.id);
  }

  /** @returns false where the file changed while it waited for room. */
  async #take(path: Buffer, id: string): Promise<boolean> {
    await access(path, constants.R_OK);
    for (;;) {
      await this.#pipeline.room('folder', this.#signal);
      const stats = await lstat(path);
      if (this.#idOf(path, stats) !== id) return false;
      if (await this.#root.isPastLink(path)) throw new RetaggerError('file_missing');
      try {
        await this.#pipeline.accept(this.#photo(path, id, stats));
        return true;
      } catch (error) {
        // Somebody else took the room, or the disk is full: wait. Otherwise it is this file.
        const { code, cause } = error as RetaggerError;
        if (code === 'busy' && (cause === undefined || this.#pipeline.refusal('folder') !== null)) {
          continue;
        }
        throw (error as Error).cause ?? error;
      }
    }
  }

  #photo(path: Buffer, id: string, seen: Stats): NewPhoto {
    return {
      id,
      source: 'folder',
      file: printable(this.#root.below(path)),
      receivedAt: new Date().toISOString(),
      body: this.#bodyOf(path, seen),
    };
  }

  #bodyOf(path: Buffer, { size, mtimeMs }: Stats): NewPhoto['body'] {
    const exact = pathOf(path);
    if (!this.#ledger) return { move: exact, below: this.#root.dir };
    // The worker opens files by text; a name that is none has to be copied.
    if (typeof exact !== 'string') return { stream: chunksOf(exact) };
    // A writer that goes on from here on makes it another photo.
    return { keep: exact, seen: { size, mtimeMs } };
  }

  #idOf(path: Buffer, stats: Stats): string {
    return fileId(this.#root.below(path), stats, this.#ledger !== null);
  }
}

/** Opened when it is first read: where the photo is refused nobody does, and nobody would close it. */
async function* chunksOf(path: Buffer): AsyncGenerator<Buffer> {
  yield* (await openRegular(path)).createReadStream();
}
