import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { builtProgram } from './built-program.ts';
import type { ModelBundle } from './bundle.ts';
import {
  checkPixels,
  type Engine,
  type EngineOptions,
  lending,
  type OneEngine,
  PIXEL_BYTES,
} from './engine.ts';

/** What a thread is given when it starts. */
export interface ThreadData {
  readonly engine: OneEngine;
  readonly bundle: ModelBundle;
  readonly options: EngineOptions;
  /** Each photo's, in turn: `PIXEL_BYTES`. Shared, because copies would lie in V8's heap for long. */
  readonly pixels: Uint8Array;
}

/** What it is asked for. */
export type ToThread = 'infer' | 'close';

/** What it answers: to its start, then to each photo. */
export type FromThread =
  | { readonly type: 'loaded' }
  | { readonly type: 'inferred'; readonly logits: Float32Array }
  | { readonly type: 'failed'; readonly error: Error };

/** An engine whose library holds up the thread that calls it: each inference at once gets a thread. */
export async function inThreads(
  engine: OneEngine,
  bundle: ModelBundle,
  { threads, atOnce = 1, ...more }: EngineOptions,
): Promise<Engine> {
  const options = { ...more, atOnce, threads: Math.max(1, Math.floor(threads / atOnce)) };
  const all: EngineThread[] = [];
  const close = async () => {
    await Promise.all(all.map((thread) => thread.close()));
  };
  try {
    // In turn: the first may prepare what the others load.
    while (all.length < atOnce) all.push(await EngineThread.start(engine, bundle, options));
  } catch (error) {
    await close();
    throw error;
  }
  const withOne = lending(all);
  return {
    atOnce,
    async infer(pixels) {
      checkPixels(pixels);
      return withOne((thread) => thread.infer(pixels));
    },
    close,
  };
}

/** One thread with an engine. */
class EngineThread {
  readonly #thread: Worker;
  readonly #pixels: Uint8Array;
  #closed: Promise<unknown> | undefined;

  private constructor(thread: Worker, pixels: Uint8Array) {
    this.#thread = thread;
    this.#pixels = pixels;
    // No photo's fault, and the engine is gone: the process ends, and is replaced.
    thread.on('error', (error) => {
      throw error;
    });
  }

  static async start(
    engine: OneEngine,
    bundle: ModelBundle,
    options: EngineOptions,
  ): Promise<EngineThread> {
    const pixels = new Uint8Array(new SharedArrayBuffer(PIXEL_BYTES));
    const workerData: ThreadData = { engine, bundle, options, pixels };
    // With its own environment it could not tell onnxruntime's library that it wants no telemetry.
    const thread = new Worker(builtProgram('engine-thread.js'), { workerData, env: SHARE_ENV });
    const [said] = (await once(thread, 'message')) as [FromThread];
    if (said.type === 'loaded') return new EngineThread(thread, pixels);
    await thread.terminate();
    throw said.type === 'failed' ? said.error : new Error(`the thread said "${said.type}" first`);
  }

  async infer(pixels: Uint8Array): Promise<Float32Array> {
    this.#pixels.set(pixels);
    const answer = once(this.#thread, 'message');
    this.#ask('infer');
    const [said] = (await answer) as [FromThread];
    if (said.type === 'inferred') return said.logits;
    throw said.type === 'failed' ? said.error : new Error('the thread began anew');
  }

  close(): Promise<unknown> {
    this.#closed ??= once(this.#thread, 'exit');
    this.#ask('close');
    return this.#closed;
  }

  #ask(what: ToThread): void {
    this.#thread.postMessage(what);
  }
}
