import { expect, test, vi } from 'vitest';
import { walk } from '../../../src/transport/folder/walk.ts';

const FOLDERS = 5000;
const met = vi.hoisted(() => ({ told: 0, entered: 0, mostWaiting: 0 }));

/** What the disk is made of: one folder of very many that are empty. */
vi.mock('node:fs/promises', () => ({
  opendir: async (path: Buffer) => {
    if (String(path) !== '/in') met.entered += 1;
    return (async function* () {
      for (let n = 0; n < FOLDERS && String(path) === '/in'; n++) {
        met.told += 1;
        met.mostWaiting = Math.max(met.mostWaiting, met.told - met.entered);
        yield { name: Buffer.from(`${n}`), isDirectory: () => true };
      }
    })();
  },
}));

test('folders are walked as they are met: of any number none waits in memory', async () => {
  const folder = vi.fn();
  await walk(Buffer.from('/in'), {
    ...{ folder, file: async () => {}, unreadable: vi.fn(), tooDeep: vi.fn() },
    signal: new AbortController().signal,
  });
  expect(folder).toHaveBeenCalledTimes(1 + FOLDERS);
  expect(met).toEqual({ told: FOLDERS, entered: FOLDERS, mostWaiting: 1 });
});
