import { writeFileSync } from 'node:fs';
import module from 'node:module';
import { toRetaggerError } from '../errors.ts';
import { warmed } from './engine.ts';
import { loadEngine } from './engines.ts';
import { collectPhotos } from './garbage.ts';
import { residentMemory } from './memory.ts';
import type { PhotoLine } from './photo-line.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts';

/**
 * The child process in which untrusted bytes are decoded and the network runs. It may crash, hang
 * or bloat; `supervisor.ts` sees to that. It never logs anything of a photo.
 */

const NOT_LOADED = 'asked before the model was loaded';

const send = (message: FromWorker): void => {
  if (process.connected) process.send?.(message);
};

let serving: Promise<Serving> | undefined;

// Without a parent there is nobody to work for. Not by `process.exit`: that ends threads within a call
// to a native library, which then may throw where nobody catches, and abort the process.
process.once('disconnect', () => {
  module.flushCompileCache?.(); // Node 22 and later
  process.kill(process.pid, 'SIGKILL');
});
// The parent decides when to stop; a Ctrl+C in the terminal reaches the whole group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
// Nor does one that is sent to all processes (`systemctl kill -s HUP`) end us, or open Node's
// debugger to every local user.
process.on('SIGHUP', () => {});
process.on('SIGUSR1', () => {});
process.on('SIGUSR2', () => {});

process.on('message', (message: ToWorker) => {
  if (message.type === 'load') {
    serving = load(message.options);
    serving.catch((error: Error) => send({ type: 'failed', message: error.message }));
  } else if (message.type === 'share') {
    void share(message.atOnce);
  } else {
    void tag(message.id, message.path);
  }
});

interface Serving {
  readonly line: PhotoLine;
  readonly options: WorkerOptions;
}

async function load(options: WorkerOptions): Promise<Serving> {
  preferredVictim();
  const { bundle, limits } = options;
  // The decoders load beside the engine.
  const [engine, { PhotoLine }] = await Promise.all([warm(options), import('./photo-line.ts')]);
  const { labels } = bundle.manifest;
  send({
    type: 'ready',
    info: { model: bundle.id, engine: engine.name, labels },
    memory: residentMemory(),
  });
  return { options, line: new PhotoLine(engine, bundle, limits) };
}

async function warm({ bundle, engine, limits, ...more }: WorkerOptions, atOnce = 1) {
  return warmed(await loadEngine(engine, bundle, { ...more, atOnce }), bundle.manifest);
}

async function share(atOnce: number): Promise<void> {
  try {
    if (!serving) throw new Error(NOT_LOADED);
    const { line, options } = await serving;
    await line.use(await warm(options, atOnce));
    send({ type: 'shared', memory: residentMemory() });
  } catch (error) {
    send({ type: 'unshared', message: (error as Error).message });
  }
}

async function tag(id: number, path: string): Promise<void> {
  try {
    if (!serving) throw new Error(NOT_LOADED);
    const { line } = await serving;
    const tagging = await line.tag(path);
    send({ type: 'tagged', id, tagging, memory: residentMemory() });
  } catch (error) {
    const { code, message } = toRetaggerError(error);
    send({ type: 'refused', id, code, message, memory: residentMemory() });
  }
  collectPhotos();
}

/** When the kernel runs out of memory it should end this process, not the one that owns the queue. */
function preferredVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not allowed.
  }
}
