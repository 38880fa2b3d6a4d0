import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Value } from 'typebox/value';
import { onTestFinished, vi } from 'vitest';
import { type Config, ConfigSchema, type RawConfig } from '../../src/config/schema.ts';
import { Admission } from '../../src/daemon/admission.ts';
import { Filing } from '../../src/daemon/filing/filing.ts';
import { HomeDisk } from '../../src/daemon/home-disk.ts';
import { DiskOutbox } from '../../src/daemon/outbox/outbox.ts';
import { Answers } from '../../src/daemon/pipeline/answers.ts';
import { TaggingPipeline } from '../../src/daemon/pipeline/pipeline.ts';
import { Spool } from '../../src/daemon/spool/spool.ts';
import { RetaggerError } from '../../src/errors.ts';
import type { Tagger, TaggerInfo, Tagging } from '../../src/inference/tagger.ts';

export { eventually } from '../eventually.ts';
export { temporaryDir } from '../temporary-dir.ts';

export const silent = pino({ level: 'silent' });

/** Until the test ends listening is refused, as at a port below 1024 where one has no right to it. */
export function refuseToListen(): void {
  const spy = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
    const error = Object.assign(new Error('listen EACCES: permission denied'), { code: 'EACCES' });
    process.nextTick(() => this.emit('error', error));
    return this;
  });
  onTestFinished(() => spy.mockRestore());
}

const usual = { setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval };

/** Until the test ends, timers of half a second and more run twenty times as fast. */
export function hurryTimers(): void {
  for (const name of ['setTimeout', 'setInterval'] as const) {
    const hurried = (work: () => void, ms = 0) => usual[name](work, ms < 500 ? ms : ms / 20);
    const spy = vi.spyOn(globalThis, name).mockImplementation(hurried as never);
    onTestFinished(() => spy.mockRestore());
  }
}

const SHM = '/dev/shm';

/** Whether there is a second file system at hand, for files that a rename cannot bring over. */
export const hasOtherDisk = existsSync(SHM) && statSync(SHM).dev !== statSync(tmpdir()).dev;

/** A folder on that other file system, gone after the test. */
export async function dirOnOtherDisk(): Promise<string> {
  const dir = await mkdtemp(join(SHM, 'retagger-test-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

/** Paths of all files and folders whose bytes are brought to the disk from now on. */
export async function syncedPaths(): Promise<Set<string>> {
  const handle = await open('/dev/null');
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const paths = new Set<string>();
  const { sync } = prototype;
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    paths.add(await readlink(`/proc/self/fd/${this.fd}`));
    await sync.call(this);
  });
  onTestFinished(() => spy.mockRestore());
  return paths;
}

/** Open files of this process below a folder. */
export async function openBelow(dir: string): Promise<string[]> {
  const fds = await readdir('/proc/self/fd');
  const paths = fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(paths)).filter((path) => path.startsWith(dir));
}

type Partials<T> = { [K in keyof T]?: T[K] extends object ? Partial<T[K]> : T[K] };

/** The defaults with changes, and every folder below `dir`. */
export function configIn(dir: string, changes: Partials<RawConfig> = {}): Config {
  const raw = Value.Create(ConfigSchema) as RawConfig;
  const config = { ...raw, node: { id: 'box' } } as RawConfig;
  for (const [key, value] of Object.entries(changes)) {
    const name = key as keyof RawConfig;
    Object.assign(config, {
      [name]: typeof value === 'object' ? { ...(config[name] as object), ...value } : value,
    });
  }
  return {
    ...config,
    data: { dir },
    ingest: { ...config.ingest, dir: config.ingest.dir ?? join(dir, 'ingest') },
    mqtt: { ...config.mqtt, base: 'retagger/box' },
    model: { dir: join(dir, 'model') },
    limits: { ...config.limits, disk_free_bytes: 0, ...changes.limits },
  };
}

/**
 * Tags text files by their first word: a label, or an error code. `hold` keeps photos inside until
 * `letGo`, as a slow worker would.
 */
export class TextTagger implements Tagger {
  concurrency = 2;
  state: Tagger['state'] = 'ready';
  info: TaggerInfo | null = { model: 'text@1', engine: 'wasm', labels: ['kitchen', 'hall'] };
  readonly restarts = {};
  readonly pids: readonly number[] = [];
  /** Contents in the order they were tagged. */
  readonly seen: string[] = [];
  most = 0;
  #inside = 0;
  #gate: Promise<void> | null = null;
  letGo = () => {};

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.letGo = () => {
        this.#gate = null;
        resolve();
      };
    });
  }

  async start(): Promise<TaggerInfo> {
    return this.info as TaggerInfo;
  }

  async tag(path: string): Promise<Tagging> {
    this.#inside += 1;
    this.most = Math.max(this.most, this.#inside);
    try {
      const bytes = await readFile(path);
      this.seen.push(bytes.toString());
      await this.#gate;
      if (this.state === 'stopped') throw new RetaggerError('stopping');
      const [word = ''] = bytes.toString().split(/\s/);
      if (/^(image|worker|internal)/.test(word)) throw new RetaggerError(word as 'image_corrupt');
      return {
        tag: word === 'unsure' ? null : word,
        score: 0.9,
        scores: { kitchen: 0.9, hall: 0.1 },
        sha256: createHash('sha256').update(bytes).digest('hex'),
        width: 4,
        height: 3,
        ms: { decode: 1, infer: 2 },
        ...{ model: 'text@1', engine: 'wasm' },
      };
    } finally {
      this.#inside -= 1;
    }
  }

  async swap(): Promise<TaggerInfo> {
    return this.start();
  }

  async stop(): Promise<void> {
    this.state = 'stopped';
    this.letGo();
  }
}

/** The real spool, outbox, filing, admission and pipeline around a text tagger. */
export function build(config: Config, tagger = new TextTagger()) {
  const home = new HomeDisk(config.data.dir);
  const spool = new Spool(home, config.limits.upload_bytes, silent);
  const outbox = new DiskOutbox(home, silent);
  const answers = new Answers(tagger, config.limits.remembered);
  const filing = new Filing(home, config.ingest, silent);
  const admission = new Admission(config.limits, home, silent);
  const parts = { config, log: silent, tagger, answers, spool, outbox, filing, admission };
  const pipeline = new TaggingPipeline(parts);
  return {
    ...parts,
    pipeline,
    /** As the daemon does at start. */
    async start(): Promise<void> {
      const { entries } = await spool.open();
      const messages = await outbox.open(new Set(entries.map((entry) => entry.key)));
      pipeline.recover({ entries, messages });
      await pipeline.start();
    },
    /** As a crash does: nothing is finished any more. */
    async crash(): Promise<void> {
      tagger.state = 'stopped';
      await pipeline.stop(0);
    },
  };
}
