import { expect, onTestFinished, test, vi } from 'vitest';
import { whileTrouble } from '../../../src/daemon/pipeline/retry.ts';

const clock = vi.hoisted(() => ({ quick: false, waits: [] as number[] }));
vi.mock('node:timers/promises', async (original) => {
  const real = await original<typeof import('node:timers/promises')>();
  const setTimeout: typeof real.setTimeout = (ms = 0, ...rest) => {
    clock.waits.push(ms);
    return clock.quick ? real.setImmediate(...rest) : real.setTimeout(ms, ...rest);
  };
  return { ...real, setTimeout };
});

const trouble = (code: string) => Object.assign(new Error(code), { code });

test('waits for the disk, then goes on', async () => {
  const work = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(trouble('ENOSPC'))
    .mockRejectedValueOnce(trouble('ENOTDIR'))
    .mockResolvedValue('done');
  const told = vi.fn();
  expect(await whileTrouble(work, new AbortController().signal, told)).toBe('done');
  expect(told.mock.calls.map(([error, tries]) => [error.code, tries])).toEqual([
    ['ENOSPC', 1],
    ['ENOTDIR', 2],
  ]);
});

test.each([
  ...['ENAMETOOLONG', 'EINVAL', 'EILSEQ', 'ERR_INVALID_ARG_TYPE'].map(trouble),
  new Error('a fault of ours'),
])('does not repeat what no disk would ever take: %s', async (error) => {
  const work = vi.fn(() => Promise.reject(error));
  await expect(whileTrouble(work, new AbortController().signal, () => {})).rejects.toBe(error);
  expect(work).toHaveBeenCalledTimes(1);
});

test('gives up when told to stop, in the middle of a wait too', async () => {
  const control = new AbortController();
  const work = vi.fn(() => Promise.reject(trouble('ENOSPC')));
  const tried = whileTrouble(work, control.signal, (_, tries) => {
    if (tries === 2) queueMicrotask(() => control.abort());
  });
  await expect(tried).rejects.toThrow('ENOSPC');
  expect(work).toHaveBeenCalledTimes(3);
});

test('a disk that was away for months is asked again within a quarter of a minute', async () => {
  clock.quick = true;
  onTestFinished(() => {
    clock.quick = false;
  });
  clock.waits.length = 0;
  let left = 2000;
  const work = async () => {
    if (left-- > 0) throw trouble('ESTALE');
  };
  await whileTrouble(work, new AbortController().signal, () => {});
  expect(clock.waits).toHaveLength(2000);
  expect(Math.max(...clock.waits)).toBe(15_000);
});
