import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { loadBundle } from '../../../src/inference/bundle.ts';
import { WorkerGone, WorkerProcess } from '../../../src/inference/supervisor/worker-process.ts';
import { writeTinyBundle } from '../tiny-bundle.ts';

async function started(threads: number, workerPath?: string) {
  const model = await writeTinyBundle();
  onTestFinished(model.remove);
  const told: string[] = [];
  const said: string[] = [];
  const worker = new WorkerProcess(
    {
      ...{ bundle: await loadBundle(model.dir), engine: 'onnxruntime', threads },
      limits: { pixels: 1e6, bytes: 1e8 },
      workerPath,
      log: pino({ level: 'warn' }, { write: (line) => said.push(line) }),
    },
    (how) => told.push(how),
  );
  onTestFinished(() => worker.kill());
  await worker.ready;
  return { worker, told, said, dir: model.dir };
}

it('ends at any moment of a change to two inferences without a word', async () => {
  for (const ms of [0, 20, 40, 60, 80, 100, 120, 140]) {
    const { worker, told, said } = await started(2);
    const shared = worker.share(2).catch((error) => error);
    await sleep(ms);
    await worker.stop();
    await shared;
    expect({ said, told }).toEqual({ said: [], told: ['signal SIGKILL'] });
  }
});

it('ends without a word also where it answers in the very moment', async () => {
  const program = fileURLToPath(new URL('programs/busy-worker.mjs', import.meta.url));
  // Whether it notices its parent's end before it answers is left to chance.
  for (let n = 0; n < 3; n++) {
    const { worker, told, said, dir } = await started(1, program);
    // Reading it takes long enough for the loop to stand still meanwhile.
    const large = join(dir, 'large.jpg');
    await writeFile(large, '');
    await truncate(large, 6e7);
    const tagging = worker.tag(large).catch(() => {});
    await sleep(100);
    await worker.stop();
    await tagging;
    expect({ said, told }).toEqual({ said: [], told: ['signal SIGKILL'] });
  }
});

it('a photo that the worker leaves unanswered is told so, after its end', async () => {
  const { worker, told } = await started(1);
  const photo = fileURLToPath(new URL('../../fixtures/rooms/hall.jpg', import.meta.url));
  process.kill(worker.pid as number, 'SIGSTOP');
  const tagging = worker.tag(photo).catch((error) => {
    told.push('photo');
    return error;
  });
  await worker.kill();
  expect(await tagging).toBeInstanceOf(WorkerGone);
  expect(told).toEqual(['signal SIGKILL', 'photo']);
});

it('keeps nothing of a change that is over: it may live for months', async () => {
  const { worker } = await started(2);
  const over = await (async () => {
    const change = worker.share(2);
    await change;
    await worker.share(1);
    return new WeakRef(change);
  })();
  await sleep(0);
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  expect(over.deref()).toBeUndefined();
});
