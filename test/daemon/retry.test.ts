import { expect, test, vi } from 'vitest';
import { whileTrouble } from '../../src/daemon/retry.ts';

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
