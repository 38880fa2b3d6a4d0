import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Looks } from '../../../src/transport/folder/looks.ts';

const PATH = Buffer.from('/in/a.jpg');

/** Looks that end when the test says so. */
function slow() {
  const ends: ((waitMs: number) => void)[] = [];
  const told = { troubles: 0, overflows: 0 };
  const looks = new Looks({
    consider: () => new Promise((resolve) => ends.push(resolve)),
    trouble: () => {
      told.troubles += 1;
    },
    overflow: () => {
      told.overflows += 1;
    },
  });
  onTestFinished(() => {
    for (const end of ends) end(0);
  });
  return { looks, ends, told };
}

test('a path is looked at by one at a time, and once more where it changed meanwhile', async () => {
  const { looks, ends } = slow();
  const first = looks.look(PATH);
  await looks.look(PATH);
  looks.hint(PATH);
  looks.hint(PATH);
  expect(ends).toHaveLength(1);
  ends[0]?.(0);
  await first;
  await vi.waitFor(() => expect(ends).toHaveLength(2));
  ends[1]?.(0);
  await sleep(60);
  expect(ends).toHaveLength(2);
});

test('what has to wait is not looked at before, and no more once stopped', async () => {
  const { looks, ends } = slow();
  const first = looks.look(PATH);
  ends[0]?.(50);
  await first;
  looks.hint(PATH);
  await looks.look(PATH);
  expect(ends).toHaveLength(1);
  await vi.waitFor(() => expect(ends).toHaveLength(2));
  ends[1]?.(50);
  await looks.stop();
  await sleep(100);
  expect(ends).toHaveLength(2);
});

test('more hints than are kept are left to a scan', async () => {
  const { looks, told } = slow();
  // Four are being looked at, 10,000 wait.
  for (let n = 0; n < 10_010; n += 1) looks.hint(Buffer.from(`/in/${n}.jpg`));
  expect(told.overflows).toBe(6);
  expect(told.troubles).toBe(0);
});

test('a look that fails is told of, unless it has been stopped', async () => {
  const troubles: unknown[] = [];
  const looks = new Looks({
    consider: async () => {
      throw new Error('gone');
    },
    trouble: (_path, key) => troubles.push(key),
    overflow: () => {},
  });
  await looks.look(PATH);
  expect(troubles).toEqual(['/in/a.jpg']);
  const late = looks.look(PATH);
  await looks.stop();
  await late;
  expect(troubles).toHaveLength(1);
});
