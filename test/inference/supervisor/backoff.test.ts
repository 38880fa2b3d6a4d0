import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { create, named, ROOMS, tagger, useTinyModel } from './support.ts';

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

useTinyModel();

it('a stop while the model is looked at once more starts no worker', async () => {
  create();
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
  await sleep(100);
  const left = tagger.pids;
  for (const pid of left) process.kill(pid, 'SIGKILL');
  expect(left).toEqual([]);
});

it('the wait for the next worker grows with faults in a row, and a photo done ends the row', async () => {
  const [room = ''] = ROOMS;
  const poison = await named('poison');
  create();
  await tagger.start();
  asked.length = 0;
  await expect(tagger.tag(poison)).rejects.toMatchObject({ code: 'worker_crashed' });
  await tagger.tag(room);
  await expect(tagger.tag(poison)).rejects.toMatchObject({ code: 'worker_crashed' });
  expect(asked).toEqual([1, 2, 3, 1, 2, 3]);
});
