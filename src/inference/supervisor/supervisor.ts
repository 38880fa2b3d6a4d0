import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { RetaggerError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { loadBundle, type ModelBundle, verifyBundle } from '../bundle.ts';
import type { OneEngine } from '../engine.ts';
import { fileOf, firstThatLoads, infersTwice } from '../engines.ts';
import type { Tagger, TaggerInfo, TaggerOptions, Tagging } from '../tagger.ts';
import { photosIn } from '../worker-protocol.ts';
import { Dispatcher } from './dispatcher.ts';
import { backoffMs, memoryShare, Pause, secondFits } from './supervision.ts';
import { TwoAtOnce } from './two-at-once.ts';
import { whileKilled } from './while-killed.ts';
import { type Slot, Workers } from './workers.ts';

/** Tags photos in a child process that is watched and replaced. Nothing runs before `start`. */
export function createTagger(options: TaggerOptions): Supervisor {
  return new Supervisor(options);
}

/** So many failed starts in a row are called failed; it goes on trying. */
const FAILED_STARTS = 5;
/** How long a new model waits for a worker that is being replaced, and between looks. */
const SETTLE_MS = 30_000;
const LOOK_MS = 50;

export class Supervisor implements Tagger {
  readonly restarts = { exit: 0, timeout: 0, memory: 0 };
  readonly #options: TaggerOptions;
  readonly #log: Logger;
  readonly #photos: Dispatcher;
  /** Takes new photos. */
  #current: Slot | null = null;
  readonly #twoAtOnce: TwoAtOnce;
  /** Every process there is: this one, one that loads, one that finishes its last photos. */
  readonly #workers: Workers;
  /** A worker is being loaded that is to take over. */
  #changing = false;
  readonly #noReplacement = new Pause();
  #faultsInARow = 0;
  #failedStarts = 0;
  #respawn: NodeJS.Timeout | undefined;
  #state: Tagger['state'] = 'starting';
  #info: TaggerInfo | null = null;
  /** Of the last worker that was loaded. */
  #bundle: ModelBundle | null = null;
  /** The engine that loaded at the start; every later worker has the same. */
  #engine: OneEngine = 'onnxruntime';

  constructor(options: TaggerOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: 'worker' });
    this.#workers = new Workers(options, this.#log, (slot, how) => this.#onExit(slot, how));
    this.#photos = new Dispatcher({
      open: () => (this.#current?.state === 'open' ? this.#current : null),
      photoMs: options.limits.photo_seconds * 1000,
      onLook: (many) => this.#twoAtOnce.look(many),
      onDone: () => {
        this.#faultsInARow = 0;
        if (this.#current) this.#checkMemory(this.#current);
      },
    });
    this.#twoAtOnce = new TwoAtOnce({
      log: this.#log,
      current: () => this.#current,
      fits: (slot) => !this.#changing && this.#twoFit(slot),
      share: async (slot, atOnce) => {
        await this.#rechecked();
        await this.#workers.share(slot, atOnce);
      },
    });
  }

  get concurrency(): number {
    return photosIn(this.#current?.atOnce ?? 1);
  }

  get state(): Tagger['state'] {
    return this.#state;
  }

  get info(): TaggerInfo | null {
    return this.#info;
  }

  get pids(): readonly number[] {
    return this.#workers.pids;
  }

  async start(): Promise<TaggerInfo> {
    try {
      const bundle = await loadBundle(this.#options.modelDir);
      const loading = firstThatLoads(
        this.#options.engine,
        (engine) => whileKilled(() => this.#first(bundle, engine)),
        (engine, reason) => {
          if (this.#state !== 'starting') return;
          this.#log.warn({ engine, reason }, 'engine does not load, trying the next');
        },
      );
      // Checked while it loads; nothing is tagged before both are done. A damaged file may fail both
      // ways, and its checksum says it best.
      const [checked, loaded] = await Promise.allSettled([this.#verified(bundle), loading]);
      if (checked.status === 'rejected') throw checked.reason;
      if (loaded.status === 'rejected') throw loaded.reason;
      this.#use(loaded.value);
      return this.#info as TaggerInfo;
    } catch (error) {
      if (this.#isStopped) throw new RetaggerError('stopping');
      this.#state = 'failed';
      throw error;
    }
  }

  tag(path: string): Promise<Tagging> {
    if (this.#isStopped) return Promise.reject(new RetaggerError('stopping'));
    return this.#photos.add(path);
  }

  async swap(modelDir: string): Promise<TaggerInfo> {
    const bundle = await loadBundle(modelDir);
    await verifyBundle(bundle);
    if (this.#info && isDeepStrictEqual(bundle, this.#bundle)) return this.#info;
    await this.#settled();
    clearTimeout(this.#respawn);
    try {
      return await this.#change(bundle);
    } catch (error) {
      if (this.#isStopped) throw new RetaggerError('stopping');
      // The old one has ended meanwhile, or did not start before.
      if (!this.#current) this.#respawnLater();
      throw error;
    }
  }

  /** Waits until no worker is being started or replaced. @throws Error where that takes long; `stopping`. */
  async #settled(): Promise<void> {
    const until = performance.now() + SETTLE_MS;
    while (!this.#isStopped && this.#changing) {
      if (performance.now() > until) throw new Error('a worker is being replaced; try again');
      await sleep(LOOK_MS);
    }
    if (this.#isStopped) throw new RetaggerError('stopping');
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#respawn);
    this.#twoAtOnce.stop();
    this.#photos.rejectAll(new RetaggerError('stopping'));
    await this.#workers.stop();
    this.#current = null;
  }

  /**
   * Loads a worker that then takes over from the one there is, if any; that one ends with its last photo.
   * @param model default: the one in use.
   */
  async #change(model?: ModelBundle): Promise<TaggerInfo> {
    let slot: Slot;
    this.#changing = true;
    try {
      slot = await this.#loaded(model ?? (await this.#rechecked()));
      if (this.#current) this.#workers.retire(this.#current);
    } finally {
      this.#changing = false;
    }
    this.#use(slot);
    return this.#info as TaggerInfo;
  }

  /** The first worker, with this engine. */
  async #first(bundle: ModelBundle, engine: OneEngine): Promise<Slot> {
    if (this.#state !== 'starting') throw new RetaggerError('stopping');
    this.#engine = engine;
    return this.#loaded(bundle);
  }

  async #loaded(bundle: ModelBundle): Promise<Slot> {
    const engine = this.#engine;
    const slot = await this.#workers.start(bundle, engine);
    this.#bundle = bundle;
    this.#info = { model: bundle.id, engine, labels: bundle.manifest.labels };
    return slot;
  }

  /**
   * Before the model is loaded once more: its file may have been damaged since, or be one of a model
   * that is just being copied there.
   */
  async #rechecked(): Promise<ModelBundle> {
    const bundle = this.#bundle as ModelBundle;
    await verifyFor(bundle, this.#engine);
    if (this.#isStopped) throw new RetaggerError('stopping');
    return bundle;
  }

  async #verified(bundle: ModelBundle): Promise<void> {
    try {
      await verifyFor(bundle, this.#options.engine);
    } catch (error) {
      if (this.#state === 'starting') this.#state = 'failed';
      this.#workers.kill();
      throw error;
    }
  }

  #use(slot: Slot): void {
    if (this.#isStopped) return;
    if (!this.#workers.has(slot)) {
      // It has ended since it was ready.
      if (!this.#current && !this.#changing) this.#respawnLater();
      return;
    }
    this.#current = slot;
    this.#twoAtOnce.reset();
    this.#state = 'ready';
    this.#failedStarts = 0;
    this.#photos.dispatch();
  }

  #onExit(slot: Slot, how: string): void {
    const isFault = slot.state === 'open' || slot.state === 'hung';
    if (isFault || slot.jobs.size > 0) this.#onFault(slot, how);
    if (slot !== this.#current) return;
    this.#current = null;
    // A replacement that loads already will do.
    if (!this.#isStopped && !this.#changing) this.#respawnLater();
  }

  #onFault(slot: Slot, how: string): void {
    const reason = slot.state === 'hung' ? 'timeout' : 'exit';
    if (this.#isStopped) {
      for (const job of slot.jobs) job.reject(new RetaggerError('stopping'));
      return;
    }
    this.restarts[reason] += 1;
    this.#faultsInARow += 1;
    this.#log.error({ reason, how, photos: slot.jobs.size }, 'worker ended, starting another');
    this.#photos.takeBack(slot, reason === 'timeout' ? 'worker_timeout' : 'worker_crashed');
    if (this.#current !== slot) this.#photos.dispatch();
  }

  #respawnLater(): void {
    if (this.#state !== 'failed') this.#state = 'restarting';
    this.#respawn = setTimeout(() => void this.#restart(), backoffMs(this.#faultsInARow));
  }

  async #restart(): Promise<void> {
    try {
      await this.#change();
    } catch (error) {
      if (this.#isStopped) return;
      this.#faultsInARow += 1;
      this.#failedStarts += 1;
      if (this.#failedStarts >= FAILED_STARTS) this.#state = 'failed';
      this.#log.error({ err: error, inARow: this.#failedStarts }, 'worker does not start');
      this.#respawnLater();
    }
  }

  #twoFit({ process: { memory, freshMemory } }: Slot): boolean {
    if (this.#workers.threads < 2 || !infersTwice(this.#engine)) return false;
    const { memory_bytes: limit } = this.#options.limits;
    return secondFits(limit, process.memoryUsage.rss(), memory, freshMemory);
  }

  /**
   * Keeps all processes under the limit: first with one inference at once, then by replacing a worker
   * that has grown too large; its photos move over when the new one is ready.
   */
  #checkMemory(slot: Slot): void {
    const { memory, freshMemory } = slot.process;
    const { memory_bytes: limit } = this.#options.limits;
    const share = memoryShare(limit, process.memoryUsage.rss(), freshMemory);
    // Between one and two inferences at once it has both engines for a moment.
    if (memory.total <= share || slot.sharing) return;
    if (this.#twoAtOnce.giveUp(slot)) return;
    if (this.#changing || !this.#noReplacement.isOver) return;
    this.#log.info({ resident: memory.total, share }, 'worker has grown, replacing it');
    this.restarts.memory += 1;
    void this.#replace();
  }

  async #replace(): Promise<void> {
    try {
      await this.#change();
    } catch (error) {
      if (this.#isStopped) return;
      this.#log.error({ err: error }, 'worker could not be replaced');
      this.#noReplacement.begin();
      if (!this.#current) this.#respawnLater(); // the old one has ended meanwhile
    }
  }
}

/** Only what will be read: after a cold start a memory card takes a second for the other file. */
const verifyFor = (bundle: ModelBundle, engine: TaggerOptions['engine']): Promise<void> =>
  verifyBundle(bundle, [bundle.manifest.files[fileOf(engine)]]);
