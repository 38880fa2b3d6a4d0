import { writeFileSync } from 'node:fs';
import { toRetaggerError } from '../errors.ts';
import { PIXEL_BYTES } from './engine.ts';
import { loadEngine } from './engines.ts';
import { residentMemory } from './memory.ts';
import { PhotoLine } from './photo-line.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts';

/**
 * The child process in which untrusted bytes are decoded and the network runs. It may crash, hang
 * or bloat; `supervisor.ts` sees to that. It never logs anything of a photo.
 */

const send = (message: FromWorker): void => {
  if (process.connected) process.send?.(message);
};

let line: Promise<PhotoLine> | undefined;

// Without a parent there is nobody to work for.
process.once('disconnect', () => process.exit(0));
// The parent decides when to stop; a Ctrl+C in the terminal reaches the whole group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

process.on('message', (message: ToWorker) => {
  if (message.type === 'load') {
    line = load(message.options);
    line.catch((error: Error) => send({ type: 'failed', message: error.message }));
  } else {
    void tag(message.id, message.path);
  }
});

async function load(options: WorkerOptions): Promise<PhotoLine> {
  preferredVictim();
  const { bundle, engine: name, limits, ...engineOptions } = options;
  const engine = await loadEngine(name, bundle, engineOptions);
  // The first inference allocates; it also shows that the engine works at all.
  await engine.infer(new Uint8Array(PIXEL_BYTES).fill(128));
  const { labels } = bundle.manifest;
  send({
    type: 'ready',
    info: { model: bundle.id, engine: engine.name, labels },
    memory: residentMemory(),
  });
  return new PhotoLine(engine, bundle, limits);
}

async function tag(id: number, path: string): Promise<void> {
  try {
    if (!line) throw new Error('asked to tag before the model was loaded');
    const tagging = await (await line).tag(path);
    send({ type: 'tagged', id, tagging, memory: residentMemory() });
  } catch (error) {
    const { code, message } = toRetaggerError(error);
    send({ type: 'refused', id, code, message, memory: residentMemory() });
  }
}

/** When the kernel runs out of memory it should end this process, not the one that owns the queue. */
function preferredVictim(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not allowed.
  }
}
