import type { Config } from '../config/schema.ts';
import { RetaggerError, toRetaggerError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { loadBundle, type ModelBundle, verifyBundle } from './bundle.ts';
import { type EngineChoice, firstThatLoads, type OneEngine } from './engines.ts';
import { type PhotoJob, PhotoJobs } from './photo-jobs.ts';
import { backoffMs, memoryShare } from './supervision.ts';
import type { Tagger, TaggerInfo, Tagging } from './tagger.ts';
import { WorkerGone, WorkerProcess } from './worker-process.ts';
import { WORKER_CONCURRENCY } from './worker-protocol.ts';

export interface TaggerOptions {
  readonly modelDir: string;
  readonly engine: EngineChoice;
  readonly limits: Pick<
    Config['limits'],
    'upload_bytes' | 'pixels' | 'memory_bytes' | 'photo_seconds'
  >;
  /** Threads for one inference; default the number of cores, at most 4. */
  readonly threads?: number;
  readonly log: Logger;
  /** Another worker program, for tests of its faults. */
  readonly workerPath?: string;
}

/** Tags photos in a child process that is watched and replaced. Nothing runs before `start`. */
export function createTagger(options: TaggerOptions): Supervisor {
  return new Supervisor(options);
}

/** A worker whose model takes longer to load than this is taken for hung. */
const LOAD_MS = 60_000;
/** What photos in flight may still take when the tagger stops. */
const STOP_GRACE_MS = 2000;
/** So many failed starts in a row are called failed; it goes on trying. */
const FAILED_STARTS = 5;
/** Wait after a replacement that did not load. */
const REPLACEMENT_PAUSE_MS = 60_000;

type Reason = 'exit' | 'timeout' | 'memory';

/** One worker and what it is busy with. */
interface Slot {
  readonly process: WorkerProcess;
  readonly jobs: Set<PhotoJob>;
  /** Its end is our doing, and why. */
  ending?: Reason | 'stop';
}

export class Supervisor implements Tagger {
  readonly concurrency = WORKER_CONCURRENCY;
  readonly restarts = { exit: 0, timeout: 0, memory: 0 } satisfies Record<Reason, number>;
  readonly #options: TaggerOptions;
  readonly #log: Logger;
  readonly #jobs = new PhotoJobs();
  /** Takes new photos. */
  #current: Slot | null = null;
  /** Every process there is: the current, one that loads, one that finishes its last photos. */
  readonly #slots = new Set<Slot>();
  #replacing = false;
  #noReplacementBefore = 0;
  #faultsInARow = 0;
  #failedStarts = 0;
  #respawn: NodeJS.Timeout | undefined;
  #state: Tagger['state'] = 'starting';
  #info: TaggerInfo | null = null;
  /** Read once, at the start. */
  #bundle: ModelBundle | null = null;
  /** The engine that loaded at the start; every later worker has the same. */
  #engine: OneEngine = 'onnxruntime';

  constructor(options: TaggerOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: 'worker' });
  }

  get state(): Tagger['state'] {
    return this.#state;
  }

  get info(): TaggerInfo | null {
    return this.#info;
  }

  /** Process ids of the workers there are, for memory figures and tests. */
  get pids(): readonly number[] {
    return [...this.#slots].flatMap(({ process }) => process.pid ?? []);
  }

  async start(): Promise<TaggerInfo> {
    try {
      const bundle = await loadBundle(this.#options.modelDir);
      await verifyBundle(bundle);
      this.#bundle = bundle;
      const slot = await firstThatLoads(
        this.#options.engine,
        (engine) => this.#first(bundle, engine),
        (engine, reason) => {
          if (this.#state === 'stopped') return;
          this.#log.warn({ engine, reason }, 'engine does not load, trying the next');
        },
      );
      this.#use(slot);
      return this.#info as TaggerInfo;
    } catch (error) {
      if (this.#state === 'stopped') throw new RetaggerError('stopping');
      this.#state = 'failed';
      throw error;
    }
  }

  tag(path: string): Promise<Tagging> {
    if (this.#state === 'stopped') return Promise.reject(new RetaggerError('stopping'));
    return new Promise((resolve, reject) => {
      this.#jobs.add({ path, resolve, reject, lost: 0 });
      this.#dispatch();
    });
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#respawn);
    this.#jobs.rejectAll(new RetaggerError('stopping'));
    await Promise.all(
      [...this.#slots].map(async (slot) => {
        slot.ending = 'stop';
        const until = Date.now() + STOP_GRACE_MS;
        while (slot.jobs.size > 0 && this.#slots.has(slot) && Date.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await slot.process.stop(STOP_GRACE_MS);
      }),
    );
    this.#current = null;
  }

  /** The first worker, with this engine. */
  async #first(bundle: ModelBundle, engine: OneEngine): Promise<Slot> {
    if (this.#state === 'stopped') throw new RetaggerError('stopping');
    this.#engine = engine;
    const slot = this.#spawn(bundle);
    // Until it is ready its end is no fault: there may be another engine.
    slot.ending = 'stop';
    this.#info = await this.#load(slot);
    delete slot.ending;
    return slot;
  }

  #spawn(bundle: ModelBundle): Slot {
    const { threads, limits, workerPath } = this.#options;
    const process = new WorkerProcess(
      {
        bundle,
        engine: this.#engine,
        ...(threads === undefined ? {} : { threads }),
        limits: { pixels: limits.pixels, bytes: limits.upload_bytes },
        log: this.#log,
        workerPath,
      },
      { onExit: (how) => this.#onExit(slot, how) },
    );
    const slot: Slot = { process, jobs: new Set() };
    this.#slots.add(slot);
    return slot;
  }

  /** Waits until the slot's worker is ready; one that does not get there is killed. */
  async #load(slot: Slot): Promise<TaggerInfo> {
    const timer = setTimeout(() => void slot.process.kill(), LOAD_MS);
    try {
      return await slot.process.ready;
    } catch (error) {
      slot.ending ??= 'stop';
      await slot.process.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #use(slot: Slot): void {
    if (this.#state === 'stopped' || !this.#slots.has(slot)) return;
    this.#current = slot;
    this.#state = 'ready';
    this.#failedStarts = 0;
    this.#dispatch();
  }

  #dispatch(): void {
    const slot = this.#current;
    if (!slot || slot.ending) return;
    for (;;) {
      const job = this.#jobs.next(slot.jobs, this.concurrency);
      if (!job) return;
      void this.#run(slot, job);
    }
  }

  async #run(slot: Slot, job: PhotoJob): Promise<void> {
    slot.jobs.add(job);
    const deadline = setTimeout(() => {
      slot.ending = 'timeout';
      void slot.process.kill();
    }, this.#options.limits.photo_seconds * 1000);
    try {
      job.resolve(await slot.process.tag(job.path));
    } catch (error) {
      if (error instanceof WorkerGone) return; // `#onExit` took the photo back
      job.reject(toRetaggerError(error));
    } finally {
      clearTimeout(deadline);
    }
    slot.jobs.delete(job);
    this.#faultsInARow = 0;
    if (slot === this.#current) this.#checkMemory(slot);
    else if (slot.jobs.size === 0) void slot.process.stop(); // it was replaced; that was its last
    this.#dispatch();
  }

  #onExit(slot: Slot, how: string): void {
    this.#slots.delete(slot);
    const { ending = 'exit' } = slot;
    const expected = ending === 'stop' || ending === 'memory';
    if (slot.jobs.size > 0 || !expected) this.#onFault(slot, how);
    if (slot !== this.#current) return;
    this.#current = null;
    // A replacement that loads already will do.
    if (this.#state !== 'stopped' && !this.#replacing) this.#respawnLater();
  }

  #onFault(slot: Slot, how: string): void {
    const reason = slot.ending === 'timeout' ? 'timeout' : 'exit';
    if (this.#state === 'stopped') {
      for (const job of slot.jobs) job.reject(new RetaggerError('stopping'));
      return;
    }
    this.restarts[reason] += 1;
    this.#faultsInARow += 1;
    this.#log.error({ reason, how, photos: slot.jobs.size }, 'worker ended, starting another');
    this.#jobs.takeBack(slot.jobs, reason === 'timeout' ? 'worker_timeout' : 'worker_crashed');
    if (this.#current !== slot) this.#dispatch();
  }

  #respawnLater(): void {
    if (this.#state !== 'failed') this.#state = 'restarting';
    this.#respawn = setTimeout(() => void this.#restart(), backoffMs(this.#faultsInARow));
  }

  async #restart(): Promise<void> {
    const slot = this.#spawn(this.#bundle as ModelBundle);
    try {
      this.#info = await this.#load(slot);
    } catch (error) {
      if (this.#state === 'stopped') return;
      this.#faultsInARow += 1;
      this.#failedStarts += 1;
      if (this.#failedStarts >= FAILED_STARTS) this.#state = 'failed';
      this.#log.error({ err: error, inARow: this.#failedStarts }, 'worker does not start');
      this.#respawnLater();
      return;
    }
    this.#use(slot);
  }

  /** Replaces a worker that has grown too large; photos move over when the new one is ready. */
  #checkMemory(slot: Slot): void {
    const { rss, freshRss } = slot.process;
    const limit = this.#options.limits.memory_bytes;
    const share = memoryShare(limit, process.memoryUsage.rss(), freshRss);
    if (rss <= share || this.#replacing || Date.now() < this.#noReplacementBefore) return;
    this.#replacing = true;
    this.#log.info({ rss, share }, 'worker has grown, replacing it');
    void this.#replace(slot);
  }

  async #replace(old: Slot): Promise<void> {
    const slot = this.#spawn(this.#bundle as ModelBundle);
    try {
      await this.#load(slot);
      this.restarts.memory += 1;
      old.ending = 'memory';
      this.#use(slot);
      if (old.jobs.size === 0) void old.process.stop();
    } catch (error) {
      if (this.#state === 'stopped') return;
      this.#log.error({ err: error }, 'worker could not be replaced');
      this.#noReplacementBefore = Date.now() + REPLACEMENT_PAUSE_MS;
      if (!this.#current) this.#respawnLater(); // the old one has ended meanwhile
    } finally {
      this.#replacing = false;
    }
  }
}
