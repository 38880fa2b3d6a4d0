import { constants, createReadStream } from 'node:fs';
import { access, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { pathOf, printable } from '../../daemon/paths.ts';
import type { Health, HealthSource, NewPhoto, Part, Pipeline } from '../../daemon/ports.ts';
import type { RetaggerError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { HintQueue } from './hints.ts';
import { fileId } from './identity.ts';
import { Ledger } from './ledger.ts';
import { isIgnoredFile, isIgnoredFolder } from './names.ts';
import { OnceLog } from './once-log.ts';
import { Root } from './root.ts';
import { ScanPause } from './scan-pause.ts';
import { Settle } from './settle.ts';
import { joinPath, walk } from './walk.ts';
import { Watcher } from './watcher.ts';

/** Files watched for stability at once; more are met by the next scan. */
const MAX_SETTLING = 10_000;
/** How often the folder itself is looked at: gone, replaced, read-only? */
const LOOK_MS = 2000;
/** Until what changed while it was looked at is looked at again. */
const SOON_MS = 20;
/** A rescan may cost about 5 % of a core: it pauses so long for each file it met. */
const PAUSE_PER_FILE_MS = 1;

export interface FolderDoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
}

/**
 * The watch folder. Kernel notices and scans only name files; one way (`#look`) decides about each:
 * is it a photo's file, has it stopped changing, is there room, then the pipeline takes it.
 */
export class FolderDoor implements Part, HealthSource {
  readonly name = 'folder';
  readonly check = 'folder';
  readonly #config: Config['ingest'];
  readonly #pipeline: Pipeline;
  readonly #log: Logger;
  readonly #once: OnceLog;
  readonly #root: Root;
  readonly #path: Buffer;
  readonly #keep: boolean;
  readonly #ledger: Ledger;
  readonly #settle: Settle;
  readonly #watcher: Watcher;
  readonly #hints: HintQueue;
  readonly #pause = new ScanPause();
  readonly #stopped = new AbortController();
  /** Paths being looked at (latin1: one character a byte). */
  readonly #looking = new Set<string>();
  /** Those of them of which there was a notice meanwhile. */
  readonly #changed = new Set<string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  /** Files turned down but left in their place (too large to copy from another disk). */
  readonly #left = new Set<string>();
  #unsubscribe = () => {};
  #lookTimer: NodeJS.Timeout | null = null;
  #lookingAtRoot: Promise<void> | null = null;
  #scans: Promise<void> = Promise.resolve();

  constructor({ config, log, pipeline }: FolderDoorParts) {
    this.#config = config.ingest;
    this.#pipeline = pipeline;
    this.#log = log.child({ part: 'folder' });
    this.#once = new OnceLog(this.#log);
    this.#path = Buffer.from(config.ingest.dir);
    this.#keep = config.ingest.after === 'keep';
    this.#root = new Root(config.ingest.dir, this.#keep, this.#log);
    this.#ledger = new Ledger(join(config.data.dir, 'kept.ledger'), this.#log);
    this.#settle = new Settle(config.ingest.settle_ms, MAX_SETTLING);
    this.#watcher = new Watcher((folder, name) => this.#hinted(folder, name));
    this.#hints = new HintQueue((path) => this.#look(path));
  }

  async start(): Promise<void> {
    if (this.#keep) await this.#ledger.load();
    this.#unsubscribe = this.#pipeline.onOutcome((outcome) => {
      const { photo } = outcome;
      if (photo.source !== 'folder') return;
      // A disk that was pulled out may come back.
      if (!outcome.ok && outcome.failure.code === 'file_missing') return;
      if (this.#keep) this.#ledger.add(photo.id);
      else if (photo.body === 'kept' && this.#left.size < MAX_SETTLING) this.#left.add(photo.id);
    });
    await mkdir(this.#config.dir, { recursive: true }).catch(() => {});
    await this.#lookAtRoot();
    this.#lookTimer = setInterval(() => {
      // One at a time: while a network share hangs they would pile up.
      this.#lookingAtRoot ??= this.#lookAtRoot().finally(() => {
        this.#lookingAtRoot = null;
      });
    }, LOOK_MS);
    this.#scans = this.#scanForEver();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    if (this.#lookTimer) clearInterval(this.#lookTimer);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#watcher.clear();
    this.#pause.end();
    await Promise.all([this.#scans, this.#lookingAtRoot, this.#hints.stop()]);
    this.#unsubscribe();
    if (this.#keep) await this.#ledger.flush();
  }

  health(): Health {
    if (this.#root.fault !== null) return { ok: false, detail: this.#root.fault };
    const notes = [`${this.#config.dir}: ${this.#watcher.folders} folder(s) watched`];
    if (this.#watcher.fault !== null) {
      notes.push(`some only read every ${this.#config.rescan_s} s: ${this.#watcher.fault}`);
    }
    if (this.#keep && this.#ledger.full) {
      return { ok: false, detail: `${this.#ledger.size} photos are kept: move some out` };
    }
    if (this.#once.last !== null) notes.push(this.#once.last);
    return { ok: true, detail: notes.join('; ') };
  }

  #hinted(folder: Buffer, name: Buffer): void {
    const path = joinPath(folder, name);
    const key = path.toString('latin1');
    if (this.#looking.has(key)) this.#changed.add(key);
    // Its next look is due anyway.
    if (this.#timers.has(key) || this.#looking.has(key)) return;
    if (!this.#hints.push(key, path)) this.#pause.cut();
  }

  /** Never throws: what goes wrong with one file is its own affair. */
  async #look(path: Buffer): Promise<void> {
    const key = path.toString('latin1');
    if (this.#looking.has(key) || this.#timers.has(key) || this.#stopped.signal.aborted) return;
    this.#looking.add(key);
    try {
      const waitMs = await this.#consider(path, key);
      if (waitMs > 0) this.#lookAgain(path, key, waitMs);
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#trouble(path, key, error);
    } finally {
      this.#looking.delete(key);
      if (this.#changed.delete(key)) this.#lookAgain(path, key, SOON_MS);
    }
  }

  #lookAgain(path: Buffer, key: string, waitMs: number): void {
    if (this.#stopped.signal.aborted || this.#timers.has(key)) return;
    this.#timers.set(
      key,
      setTimeout(() => {
        this.#timers.delete(key);
        if (!this.#hints.push(key, path)) this.#pause.cut();
      }, waitMs),
    );
  }

  /** @returns milliseconds until the file should be looked at again; 0 when it is dealt with. */
  async #consider(path: Buffer, key: string): Promise<number> {
    const name = path.subarray(path.lastIndexOf(0x2f) + 1).toString('utf8');
    const stats = await lstat(path);
    if (!stats.isFile()) this.#settle.forget(key);
    if (stats.isDirectory()) {
      if (!isIgnoredFolder(name) && !this.#watcher.has(path)) await this.#walk(path);
      return 0;
    }
    if (isIgnoredFile(name)) return 0;
    if (!stats.isFile()) {
      this.#once.warn(key, { file: printable(path) }, 'not a regular file: left alone');
      return 0;
    }
    const id = fileId(this.#below(path), stats, this.#keep);
    if (this.#keep ? this.#ledger.has(id) || this.#ledger.full : this.#left.has(id)) return 0;
    if (this.#settle.full && !this.#settle.has(key)) return 0;
    const waitMs = this.#settle.look(key, stats);
    if (waitMs > 0) return waitMs;
    return (await this.#take(path, id)) ? 0 : 1;
  }

  /** @returns false where the file changed while it waited for room. */
  async #take(path: Buffer, id: string): Promise<boolean> {
    await access(path, constants.R_OK);
    for (;;) {
      await this.#pipeline.room('folder', this.#stopped.signal);
      const now = await lstat(path);
      if (fileId(this.#below(path), now, this.#keep) !== id) return false;
      try {
        await this.#pipeline.accept(this.#photo(path, id));
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

  #photo(path: Buffer, id: string): NewPhoto {
    const exact = pathOf(path);
    const body: NewPhoto['body'] = !this.#keep
      ? { move: exact }
      : typeof exact === 'string'
        ? { keep: exact }
        : // The worker opens files by text; a name that is none has to be copied.
          { stream: chunksOf(exact) };
    return {
      id,
      source: 'folder',
      file: printable(this.#below(path)),
      receivedAt: new Date().toISOString(),
      body,
    };
  }

  #below(path: Buffer): Buffer {
    return path.subarray(this.#path.length + 1);
  }

  #trouble(path: Buffer, key: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#settle.forget(key);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'file_missing') {
      this.#watcher.remove(path);
      return;
    }
    if (code === 'stopping') return;
    const file = printable(this.#below(path));
    this.#once.warn(
      key + code,
      { err: error, file },
      'cannot be taken; tried again at the next scan',
    );
  }

  async #scanForEver(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#ledger.beginScan();
      this.#once.beginRound();
      this.#pause.scanning();
      const { files, complete } = await this.#walk(this.#path);
      if (complete && this.#keep) await this.#ledger.endScan(files);
      await this.#pause.begin(Math.max(this.#config.rescan_s * 1000, files * PAUSE_PER_FILE_MS));
    }
  }

  async #walk(from: Buffer): Promise<{ files: number; complete: boolean }> {
    let files = 0;
    let complete = this.#root.fault === null;
    if (!complete) return { files, complete };
    await walk(from, {
      signal: this.#stopped.signal,
      folder: (path) => this.#watcher.add(path),
      file: async (path) => {
        files += 1;
        await this.#look(path);
      },
      unreadable: (path, error) => {
        complete = false;
        this.#trouble(path, path.toString('latin1'), error);
      },
      tooDeep: (path) => {
        const file = printable(this.#below(path));
        this.#once.warn(path.toString('latin1'), { file }, 'too many folders deep: left alone');
      },
    });
    return { files, complete: complete && !this.#stopped.signal.aborted };
  }

  async #lookAtRoot(): Promise<void> {
    const seen = await this.#root.look();
    // A new folder may have the number of the one before it: that one's watch has ended.
    const watched = this.#watcher.fault !== null || this.#watcher.has(this.#path);
    if (seen === 'same' && watched) return;
    this.#watcher.clear();
    if (seen !== 'lost') this.#pause.cut();
  }
}

/** Opened when it is first read: where the photo is refused nobody does, and nobody would close it. */
async function* chunksOf(path: Buffer): AsyncGenerator<Buffer> {
  yield* createReadStream(path);
}
