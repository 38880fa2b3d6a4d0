import { parentPort, workerData } from 'node:worker_threads';
import type { FromThread, ThreadData, ToThread } from './engine-threads.ts';
import { loadHere } from './engines.ts';

/** A thread with one engine, which one inference at a time holds up; see `engine-threads.ts`. */

const { engine: name, bundle, options, pixels } = workerData as ThreadData;
const say = (message: FromThread): void => parentPort?.postMessage(message);
const failed = (error: Error): void => say({ type: 'failed', error });

async function serve(): Promise<void> {
  const engine = await loadHere(name, bundle, options);
  // A library may not read shared memory.
  const photo = new Uint8Array(pixels.length);
  parentPort?.on('message', (asked: ToThread) => {
    if (asked === 'close') {
      void engine.close().finally(() => parentPort?.close());
      return;
    }
    photo.set(pixels);
    engine.infer(photo).then((logits) => say({ type: 'inferred', logits }), failed);
  });
  say({ type: 'loaded' });
}

serve().catch(failed);
