import type { Logger } from '../log.ts';
import type { Scores } from '../result.ts';
import type { EngineChoice } from './engine.ts';

/** What the worker says about one photo. */
export interface Tagging {
  readonly tag: string | null;
  readonly score: number;
  readonly scores: Scores;
  /** Hex SHA-256 of the file's bytes. */
  readonly sha256: string;
  /** Pixels, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** Milliseconds. */
  readonly ms: { readonly decode: number; readonly infer: number };
  /** What tagged it: name@version, and the engine. While models are swapped there are two. */
  readonly model: string;
  readonly engine: string;
}

/** What is loaded, for results, `/readyz` and `<base>/status`. */
export interface TaggerInfo {
  /** name@version */
  readonly model: string;
  readonly engine: string;
  readonly labels: readonly string[];
}

/**
 * Tags photo files in a supervised child process (`supervisor.ts`). The daemon and every command that
 * tags use this one interface.
 */
export interface Tagger {
  /** Resolves when the model is loaded and one trial inference was done. */
  start(): Promise<TaggerInfo>;
  /**
   * @param path a readable file. It is tried up to three times where the worker dies or hangs.
   * @throws RetaggerError `image_*` for the photo's fault; `worker_crashed`, `worker_timeout` when
   *   every try failed; `stopping` after `stop`.
   */
  tag(path: string): Promise<Tagging>;
  /**
   * Goes over to the model in another folder, or in the same one where its files are new, once it
   * has been checked and a worker has tried it. Photos wait for nothing meanwhile.
   * @throws Error that says why the model is not taken; the old one goes on.
   */
  swap(modelDir: string): Promise<TaggerInfo>;
  /** How many photos may usefully be inside `tag` at once (decode overlaps inference). */
  readonly concurrency: number;
  readonly state: 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped';
  readonly info: TaggerInfo | null;
  /** Times the worker was replaced since the start, by reason ("exit", "timeout", "memory"). */
  readonly restarts: Readonly<Record<string, number>>;
  /** Process ids of the workers there are, for memory figures. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** Of the keys below `limits` those of a tagger. */
export interface TaggerLimits {
  /** Largest photo, as a file. */
  readonly upload_bytes: number;
  /** Largest photo, width × height. */
  readonly pixels: number;
  /** Of all processes together. */
  readonly memory_bytes: number;
  /** Deadline for one try at one photo. */
  readonly photo_seconds: number;
}

/** What a tagger is made of. */
export interface TaggerOptions {
  readonly modelDir: string;
  readonly engine: EngineChoice;
  readonly limits: TaggerLimits;
  /** Threads for one inference; default the number of cores, at most 4. */
  readonly threads?: number;
  /** See `EngineOptions`. */
  readonly cacheDir?: string;
  readonly log: Logger;
  /** Another worker program, for tests of its faults. */
  readonly workerPath?: string;
}
