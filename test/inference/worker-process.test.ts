import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { loadBundle } from '../../src/inference/bundle.ts';
import { WorkerGone, WorkerProcess } from '../../src/inference/worker-process.ts';
import { writeTinyBundle } from './tiny-bundle.ts';

it('a photo that the worker leaves unanswered is told so, after its end', async () => {
  const model = await writeTinyBundle();
  onTestFinished(model.remove);
  const told: string[] = [];
  const worker = new WorkerProcess(
    {
      ...{ bundle: await loadBundle(model.dir), engine: 'onnxruntime', threads: 1 },
      limits: { pixels: 1e6, bytes: 1e6 },
      log: pino({ level: 'silent' }),
    },
    { onExit: (how) => told.push(how) },
  );
  onTestFinished(() => worker.kill());
  await worker.ready;
  const photo = fileURLToPath(new URL('../fixtures/rooms/hall.jpg', import.meta.url));
  process.kill(worker.pid as number, 'SIGSTOP');
  const tagging = worker.tag(photo).catch((error) => {
    told.push('photo');
    return error;
  });
  await worker.kill();
  expect(await tagging).toBeInstanceOf(WorkerGone);
  expect(told).toEqual(['signal SIGKILL', 'photo']);
});
