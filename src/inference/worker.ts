import { writeFileSync } from 'node:fs';
import module from 'node:module';
import { toRetaggerError } from '../errors.ts';
import { warmed } from './engine.ts';
import { loadEngine } from './engines.ts';
import { collectPhotos } from './garbage.ts';
import type { PhotoLine } from './photo-line.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts';

/**
 * The child process in which untrusted bytes are decoded and the network runs. It may crash, hang
 * or bloat; `supervisor.ts` sees to that. It never logs anything of a photo.
 */

const send = (message: FromWorker): void => {
  // The parent may have left a moment ago, and nobody listens: that is no error here.
  process.send?.(message, undefined, undefined, () => {});
};

/** The first message asks for it. */
let serving: Promise<Serving>;

// Without a parent there is nobody to work for. Not by `process.exit`: that ends threads within a call
// to a native library, which then may throw where nobody catches, and abort the process.
process.once('disconnect', () => {
  module.flushCompileCache?.(); // Node 22 and later
  process.kill(process.pid, 'SIGKILL');
});
// The parent decides when to stop; a Ctrl+C in the terminal reaches the whole group. Nor does a signal to
// all processes (`systemctl kill -s HUP`) end us, or open Node's debugger to every local user.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => {});
}

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
  // The decoders load beside the engine.
  const [engine, { PhotoLine }] = await Promise.all([warm(options), import('./photo-line.ts')]);
  send({ type: 'ready' });
  return { options, line: new PhotoLine(engine, options) };
}

async function warm({ bundle, engine, limits, ...more }: WorkerOptions, atOnce = 1) {
  return warmed(await loadEngine(engine, bundle, { ...more, atOnce }), bundle.manifest);
}

async function share(atOnce: number): Promise<void> {
  try {
    const { line, options } = await serving;
    await line.use(await warm(options, atOnce));
    send({ type: 'shared' });
  } catch (error) {
    send({ type: 'unshared', message: (error as Error).message });
  }
}

async function tag(id: number, path: string): Promise<void> {
  try {
    const { line } = await serving;
    const tagging = await line.tag(path);
    send({ type: 'tagged', id, tagging });
  } catch (error) {
    const { code, message } = toRetaggerError(error);
    send({ type: 'refused', id, code, message });
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
