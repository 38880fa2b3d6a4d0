import { type ChildProcess, fork } from 'node:child_process';
import { RetaggerError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { builtProgram } from '../built-program.ts';
import { type Memory, memoryOf } from '../memory.ts';
import type { Tagging } from '../tagger.ts';
import type { FromWorker, ToWorker, WorkerOptions } from '../worker-protocol.ts';
import { onShortLine } from './short-lines.ts';
import { WorkerKilled } from './while-killed.ts';

/** Characters of one line of the worker's stderr that are logged. */
const MAX_LINE = 500;

export interface WorkerProcessOptions extends WorkerOptions {
  readonly log: Logger;
  /** Default: the one of this package. */
  readonly workerPath?: string | undefined;
}

/** Of a process that is gone; elsewhere than on Linux of all. */
const NONE: Memory = { total: 0, own: 0 };

interface Reply<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** The worker ended and left a photo unanswered. */
export class WorkerGone extends Error {}

/** The supervisor's end of one worker. It knows nothing of retries. */
export class WorkerProcess {
  /** Rejects where the model does not load or the process ends before, by others with WorkerKilled. */
  readonly ready: Promise<void>;
  /** What it took when it was ready, before any photo. */
  freshMemory: Memory = NONE;
  readonly #child: ChildProcess;
  readonly #replies = new Map<number, Reply<Tagging>>();
  #shared: Reply<void> | undefined;
  /** How it ended. */
  readonly #gone: Promise<string>;
  #endedByUs = false;
  #lastId = 0;

  /** @param onExit called when the process has ended, however, before the photos it had are rejected. */
  constructor(options: WorkerProcessOptions, onExit: (how: string) => void) {
    const { log, workerPath = builtProgram('worker.js'), ...load } = options;
    this.#child = start(workerPath);
    // Errors of the channel to a process that is going; its exit tells all there is to tell.
    this.#child.on('error', (error) => log.debug({ err: error }, 'worker channel'));
    if (this.#child.stderr) {
      onShortLine(this.#child.stderr, MAX_LINE, (line) => {
        log.warn({ stderr: line }, 'worker wrote to stderr');
      });
    }
    this.#gone = this.#whenGone();
    this.ready = new Promise((resolve, reject) => {
      this.#child.on('message', (message: FromWorker) => {
        if (message.type === 'ready') {
          this.freshMemory = this.memory;
          resolve();
        } else if (message.type === 'failed') {
          reject(new Error(message.message));
        }
        this.#receive(message);
      });
      void this.#gone.then((how) => {
        const killed = this.#child.signalCode === 'SIGKILL' && !this.#endedByUs;
        const byOthers = killed || this.#child.pid === undefined;
        const Reason = byOthers ? WorkerKilled : Error;
        reject(new Reason(`the worker ended before it was ready: ${how}`));
        onExit(how);
        for (const reply of this.#replies.values()) reply.reject(new WorkerGone(how));
        this.#replies.clear();
        this.#shared?.reject(new WorkerGone(how));
      });
    });
    this.ready.catch(() => {}); // whoever waits for it sees the error
    this.#send({ type: 'load', options: load });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What it takes now. */
  get memory(): Memory {
    return (this.pid && memoryOf(this.pid)) || NONE;
  }

  /** @throws RetaggerError as the worker says; WorkerGone where it ends without an answer. */
  tag(path: string): Promise<Tagging> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
      this.#send({ type: 'tag', id, path });
    });
  }

  /**
   * So many inferences at once from now on, each with its share of the threads; photos go on meanwhile.
   * One such wish at a time. @throws Error where it cannot and goes on as before; WorkerGone.
   */
  share(atOnce: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#shared = { resolve, reject };
      if (this.#child.connected) this.#send({ type: 'share', atOnce });
      else reject(new WorkerGone('it has ended'));
    });
  }

  /** Ends it at once, whatever it is doing. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#endedByUs = true;
    this.#child.kill('SIGKILL');
    await this.#gone;
  }

  /** Lets it end by itself. Resolves when it is gone. */
  async stop(graceMs = 2000): Promise<void> {
    const timer = setTimeout(() => void this.kill(), graceMs);
    this.#endedByUs = true;
    if (this.#child.connected) this.#child.disconnect();
    await this.#gone;
    clearTimeout(timer);
  }

  /**
   * Resolves when it has ended and all it said was heard. Not by 'close': Node 20 does not emit that
   * after our own `disconnect`.
   */
  #whenGone(): Promise<string> {
    return new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        const how = signal ? `signal ${signal}` : `exit code ${code}`;
        if (this.#child.connected) this.#child.once('disconnect', () => resolve(how));
        else resolve(how);
      });
      // A process that never came to be (the kernel is out of processes or files) has no exit.
      this.#child.once('error', (error) => {
        if (this.#child.pid === undefined) resolve(error.message);
      });
    });
  }

  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }

  #receive(message: FromWorker): void {
    if (message.type === 'shared') this.#shared?.resolve();
    if (message.type === 'unshared') this.#shared?.reject(new Error(message.message));
    if (message.type !== 'tagged' && message.type !== 'refused') return;
    const reply = this.#replies.get(message.id);
    this.#replies.delete(message.id);
    if (message.type === 'tagged') reply?.resolve(message.tagging);
    else reply?.reject(new RetaggerError(message.code, message.message));
  }
}

/** @throws WorkerKilled where the kernel has no memory for it. */
function start(path: string): ChildProcess {
  try {
    return fork(path, [], {
      // Photos live outside V8's heap; what is in it lives shortly, and would lie there for long.
      execArgv: ['--optimize-for-size'],
      env: workerEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
  } catch (error) {
    throw new WorkerKilled(`the worker cannot be started: ${(error as Error).message}`);
  }
}

/**
 * Our configuration (a broker's password may be in it) and what lets a process speak to systemd as
 * the service: not for whoever breaks out of a decoder. And certificates, which Node 20 reads at every
 * start: 70 ms for a process that connects to nothing.
 */
const OWN = /^(RETAGGER_|WATCHDOG_|NOTIFY_SOCKET$|NODE_EXTRA_CA_CERTS$)/;

function workerEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !OWN.test(name));
  return {
    ...Object.fromEntries(inherited),
    // glibc gives every thread an arena of its own, and raises this threshold with each large block
    // that is freed; either way the photos' buffers end up between small ones and stay. musl
    // ignores these.
    MALLOC_ARENA_MAX: '2',
    MALLOC_MMAP_THRESHOLD_: '131072',
    MALLOC_TRIM_THRESHOLD_: '131072',
    VIPS_BLOCK_UNTRUSTED: '1',
  };
}
