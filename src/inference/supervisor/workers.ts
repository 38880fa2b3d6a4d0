import type { Logger } from '../../log.ts';
import type { ModelBundle } from '../bundle.ts';
import { defaultThreads, type OneEngine } from '../engine.ts';
import type { TaggerOptions } from '../tagger.ts';
import type { PhotoJob } from './photo-jobs.ts';
import { WorkerProcess } from './worker-process.ts';

/**
 * A worker whose model takes longer to load is taken for hung.
 * @param photoSeconds `limits.photo_seconds`: where one photo may take longer, so may the model.
 */
export const loadMs = (photoSeconds: number): number => Math.max(60, photoSeconds) * 1000;
/** What photos in flight may still take when the tagger stops, and then the process to end. */
const STOP_GRACE_MS = 1000;

/** One worker and what it is busy with. */
export interface Slot {
  readonly process: WorkerProcess;
  readonly jobs: Set<PhotoJob>;
  /**
   * Once loaded it is open: it takes photos, until it is retired and ends with its last, hangs and is
   * killed over that, or is stopped with all others.
   */
  state: 'loading' | 'open' | 'retired' | 'hung' | 'stopped';
  /** Inferences at once. */
  atOnce: number;
  /** It is going over to another number of them. */
  sharing?: boolean;
}

/** Every worker process there is, from its start to its end. Which one gets a photo is not its concern. */
export class Workers {
  /** Each has so many for its inferences. */
  readonly threads: number;
  readonly #options: TaggerOptions;
  readonly #log: Logger;
  readonly #onExit: (slot: Slot, how: string) => void;
  readonly #slots = new Set<Slot>();

  /** @param onExit called once a worker's process has ended, however. */
  constructor(options: TaggerOptions, log: Logger, onExit: (slot: Slot, how: string) => void) {
    this.#options = options;
    this.threads = options.threads ?? defaultThreads();
    this.#log = log;
    this.#onExit = onExit;
  }

  get pids(): readonly number[] {
    return [...this.#slots].flatMap(({ process }) => process.pid ?? []);
  }

  get #loadMs(): number {
    return loadMs(this.#options.limits.photo_seconds);
  }

  has(slot: Slot): boolean {
    return this.#slots.has(slot);
  }

  /**
   * Starts one. Resolves when it is ready; one that does not get there is killed. Until then it takes no
   * photos, and its end is no fault: whoever waits hears of it.
   */
  async start(bundle: ModelBundle, engine: OneEngine): Promise<Slot> {
    const { limits, workerPath, cacheDir } = this.#options;
    const process = new WorkerProcess(
      {
        ...{ bundle, engine, threads: this.threads, cacheDir, workerPath, log: this.#log },
        limits: { pixels: limits.pixels, bytes: limits.upload_bytes },
      },
      (how) => {
        this.#slots.delete(slot);
        this.#onExit(slot, how);
      },
    );
    const slot: Slot = { process, jobs: new Set(), state: 'loading', atOnce: 1 };
    this.#slots.add(slot);
    const timer = setTimeout(() => void process.kill(), this.#loadMs);
    try {
      await process.ready;
      slot.state = 'open';
      return slot;
    } catch (error) {
      await process.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** As `WorkerProcess.share`, for which it loads its engine once more: one that hangs over it is killed. */
  async share(slot: Slot, atOnce: number): Promise<void> {
    const timer = setTimeout(() => {
      if (slot.state === 'open') slot.state = 'hung';
      void slot.process.kill();
    }, this.#loadMs);
    try {
      await slot.process.share(atOnce);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets it finish what it has. */
  retire(slot: Slot): void {
    slot.state = 'retired';
    if (slot.jobs.size === 0) void slot.process.stop();
  }

  /** Ends all at once. */
  kill(): void {
    for (const slot of this.#slots) {
      slot.state = 'stopped';
      void slot.process.kill();
    }
  }

  /** Ends all; photos in flight have a moment to finish. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.#slots].map(async (slot) => {
        slot.state = 'stopped';
        const until = performance.now() + STOP_GRACE_MS;
        while (slot.jobs.size > 0 && this.#slots.has(slot) && performance.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await slot.process.stop(STOP_GRACE_MS);
      }),
    );
  }
}
