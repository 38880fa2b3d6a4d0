import { lstat, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/schema.ts';
import { printable } from '../../daemon/paths.ts';
import type { Health, Part, Pipeline } from '../../daemon/ports.ts';
import type { Logger } from '../../log.ts';
import { Intake } from './intake.ts';
import { Ledger } from './ledger.ts';
import { Looks } from './looks.ts';
import { isIgnoredFile, isIgnoredFolder } from './names.ts';
import { OnceLog } from './once-log.ts';
import { Root } from './root.ts';
import { ScanPause } from './scan-pause.ts';
import { joinPath, walk } from './walk.ts';
import { Watcher } from './watcher.ts';

/** How often the folder itself is looked at: gone, replaced, read-only? */
const LOOK_MS = 2000;
/** A rescan may cost about 5 % of a core: it pauses so long for each file it met. */
const PAUSE_PER_FILE_MS = 1;

export interface FolderDoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
}

/**
 * The watch folder. Kernel notices and scans only name files; one way (`#consider`) decides about each:
 * a folder is walked and watched, a photo's file goes to the intake, all else is left alone.
 */
export class FolderDoor implements Part {
  readonly #config: Config['ingest'];
  readonly #log: Logger;
  readonly #once: OnceLog;
  readonly #root: Root;
  /** The photos that are done and stay; null where they are moved away. */
  readonly #ledger: Ledger | null;
  readonly #intake: Intake;
  readonly #watcher: Watcher;
  readonly #looks: Looks;
  readonly #pause = new ScanPause();
  readonly #stopped = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();
  /** What the log said last of folders that are not watched. */
  #unwatched: string | null = null;

  constructor({ config, log, pipeline }: FolderDoorParts) {
    this.#config = config.ingest;
    this.#log = log.child({ part: 'folder' });
    this.#once = new OnceLog(this.#log);
    const keep = config.ingest.after === 'keep';
    this.#root = new Root(config.ingest.dir, keep, this.#log);
    this.#ledger = keep ? new Ledger(join(config.data.dir, 'kept.ledger'), this.#log) : null;
    this.#intake = new Intake({
      pipeline,
      root: this.#root,
      ledger: this.#ledger,
      settleMs: config.ingest.settle_ms,
      signal: this.#stopped.signal,
    });
    this.#looks = new Looks({
      consider: (path, key) => this.#consider(path, key),
      trouble: (path, key, error) => this.#trouble(path, key, error),
      overflow: () => this.#pause.cut(),
    });
    this.#watcher = new Watcher((folder, name) => this.#looks.hint(joinPath(folder, name)));
  }

  async start(): Promise<void> {
    await this.#intake.start();
    await mkdir(this.#config.dir, { recursive: true }).catch(() => {});
    await this.#lookAtRoot();
    this.#loops = Promise.all([this.#scanForEver(), this.#lookForEver()]);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#watcher.clear();
    this.#pause.end();
    await Promise.all([this.#loops, this.#looks.stop()]);
    await this.#intake.stop();
  }

  health(): Health {
    if (this.#root.fault !== null) return { ok: false, detail: this.#root.fault };
    if (this.#ledger?.full) {
      return { ok: false, detail: `${this.#ledger.size} photos are kept: move some out` };
    }
    const notes = [`${this.#config.dir}: ${this.#watcher.folders} folder(s) watched`];
    if (this.#watcher.fault !== null) {
      notes.push(`some only read every ${this.#config.rescan_s} s: ${this.#watcher.fault}`);
    }
    if (this.#once.last !== null) notes.push(this.#once.last);
    return { ok: true, detail: notes.join('; ') };
  }

  /** @returns milliseconds until the file should be looked at again; 0 when it is dealt with. */
  async #consider(path: Buffer, key: string): Promise<number> {
    const name = path.subarray(path.lastIndexOf('/') + 1).toString('utf8');
    // The watch folder alone may be a link.
    const stats = await (path.equals(this.#root.path) ? stat(path) : lstat(path));
    if (!stats.isFile()) this.#intake.forget(key);
    if (stats.isDirectory()) {
      if (!isIgnoredFolder(name) && !this.#watcher.has(path)) await this.#walk(path);
      return 0;
    }
    if (isIgnoredFile(name)) return 0;
    if (!stats.isFile()) {
      const file = printable(this.#root.below(path));
      this.#once.warn(key, { file }, 'not a regular file: left alone');
      return 0;
    }
    return this.#intake.consider(path, key, stats);
  }

  #trouble(path: Buffer, key: string, error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#intake.forget(key);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'file_missing') {
      this.#watcher.remove(path);
      return;
    }
    if (code === 'stopping') return;
    const file = printable(this.#root.below(path));
    this.#once.warn(
      key + code,
      { err: error, file },
      'cannot be taken; tried again at the next scan',
    );
  }

  async #scanForEver(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#ledger?.beginScan();
      this.#once.beginRound();
      this.#watcher.beginScan();
      this.#pause.scanning();
      const { files, complete } = await this.#walk(this.#root.path);
      this.#watcher.endScan();
      this.#tellOfWatches();
      if (complete) await this.#ledger?.endScan(files);
      await this.#pause.begin(Math.max(this.#config.rescan_s * 1000, files * PAUSE_PER_FILE_MS));
    }
  }

  #tellOfWatches(): void {
    const { fault } = this.#watcher;
    if (fault === this.#unwatched) return;
    this.#unwatched = fault;
    if (fault === null) this.#log.info('all folders are watched now');
    else
      this.#log.warn({ reason: fault }, 'some folders are not watched, and only read now and then');
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
        await this.#looks.look(path);
      },
      unreadable: (path, error) => {
        complete = false;
        this.#trouble(path, path.toString('latin1'), error);
      },
      tooDeep: (path) => {
        const file = printable(this.#root.below(path));
        this.#once.warn(path.toString('latin1'), { file }, 'too many folders deep: left alone');
      },
    });
    return { files, complete: complete && !this.#stopped.signal.aborted };
  }

  async #lookForEver(): Promise<void> {
    const { signal } = this.#stopped;
    for (;;) {
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#lookAtRoot();
    }
  }

  async #lookAtRoot(): Promise<void> {
    const seen = await this.#root.look();
    // A new folder may have the number of the one before it: that one's watch has ended.
    const watched = this.#watcher.fault !== null || this.#watcher.has(this.#root.path);
    if (seen === 'same' && watched) return;
    this.#watcher.clear();
    if (seen !== 'lost') this.#pause.cut();
  }
}
