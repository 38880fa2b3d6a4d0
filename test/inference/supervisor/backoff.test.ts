import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createTagger } from '../../../src/inference/supervisor/supervisor.ts';
import { temporaryDir } from '../../daemon/support.ts';
import { writeTinyBundle } from '../tiny-bundle.ts';

/** Faults in a row, at each start after one. */
const asked = vi.hoisted(() => [] as number[]);
vi.mock('../../../src/inference/supervisor/supervision.ts', async (original) => ({
  ...(await original<typeof import('../../../src/inference/supervisor/supervision.ts')>()),
  backoffMs: (faultsInARow: number) => {
    asked.push(faultsInARow);
    return 0;
  },
}));

/** Holds the next look at the model's files until it is let go. */
const look = vi.hoisted(() => ({ held: null as Promise<void> | null, began: () => {} }));
vi.mock('../../../src/inference/bundle.ts', async (original) => {
  const real = await original<typeof import('../../../src/inference/bundle.ts')>();
  return {
    ...real,
    verifyBundle: async (...args: Parameters<typeof real.verifyBundle>) => {
      if (look.held) {
        look.began();
        await look.held;
      }
      return real.verifyBundle(...args);
    },
  };
});

const LIMITS = { upload_bytes: 8e6, pixels: 5e7, memory_bytes: 2 ** 29, photo_seconds: 30 };

it('a stop while the model is looked at once more starts no worker', async () => {
  const model = await writeTinyBundle();
  onTestFinished(model.remove);
  const tagger = createTagger({
    ...{ modelDir: model.dir, engine: 'onnxruntime', threads: 1 },
    log: pino({ level: 'silent' }),
    limits: LIMITS,
  });
  await tagger.start();
  let letGo = () => {};
  look.held = new Promise((resolve) => {
    letGo = resolve;
  });
  const began = new Promise<void>((resolve) => {
    look.began = resolve;
  });
  process.kill(tagger.pids[0] as number, 'SIGKILL');
  await began;
  await tagger.stop();
  letGo();
  look.held = null;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const left = tagger.pids;
  for (const pid of left) process.kill(pid, 'SIGKILL');
  expect(left).toEqual([]);
});

it('the wait for the next worker grows with faults in a row, and a photo done ends the row', async () => {
  const model = await writeTinyBundle();
  onTestFinished(model.remove);
  const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const hall = here('../../fixtures/rooms/hall.jpg');
  const poison = join(await temporaryDir(), 'poison.jpg');
  await copyFile(hall, poison);
  const tagger = createTagger({
    ...{ modelDir: model.dir, engine: 'onnxruntime', threads: 1 },
    workerPath: here('programs/faulty-worker.mjs'),
    log: pino({ level: 'silent' }),
    limits: LIMITS,
  });
  onTestFinished(() => tagger.stop());
  await tagger.start();
  asked.length = 0;
  await expect(tagger.tag(poison)).rejects.toMatchObject({ code: 'worker_crashed' });
  await tagger.tag(hall);
  await expect(tagger.tag(poison)).rejects.toMatchObject({ code: 'worker_crashed' });
  expect(asked).toEqual([1, 2, 3, 1, 2, 3]);
});
