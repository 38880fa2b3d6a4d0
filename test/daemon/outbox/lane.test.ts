import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Lane } from '../../../src/daemon/outbox/lane.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');
const MANY = 50_000;
/** Unlike any other string, so that each takes memory of its own. */
const key = (n: number) => `${String(n).padStart(15, '0')}-00000000-photo`;

/** Bytes more in use than before it ran, for as long as its result is. */
function takenBy<T>(make: () => T): [T, number] {
  gc();
  const before = process.memoryUsage().heapUsed;
  const made = make();
  gc();
  return [made, process.memoryUsage().heapUsed - before];
}

test('a lane gives each key once, in order, and keeps none that has left', () => {
  const [lane, bytes] = takenBy(() => {
    const one = new Lane();
    one.insert(key(0));
    for (let n = 0; n < MANY; n++) {
      one.insert(key(n + 1));
      if (one.shift() !== key(n)) throw new Error(`${n} does not come in its turn`);
    }
    return one;
  });
  expect(bytes).toBeLessThan(500_000);
  expect([lane.length, lane.shift(), lane.shift()]).toEqual([1, key(MANY), undefined]);
});

test('keys are in order however they come, and go where they are named', () => {
  const lane = new Lane([3, 1, 5].map(key));
  for (const n of [4, 0, 2]) lane.insert(key(n));
  expect(lane.shift()).toBe(key(0));
  expect([lane.delete(key(0)), lane.delete(key(3)), lane.delete(key(9))]).toEqual([
    false,
    true,
    false,
  ]);
  lane.insert(key(0));
  expect([lane.length, lane.keys()]).toEqual([5, [0, 1, 2, 4, 5].map(key)]);
});

test('a hundred thousand keys take a hundred bytes each', () => {
  const all = 100_000;
  const [lane, bytes] = takenBy(() => {
    const one = new Lane();
    for (let n = 0; n < all; n++) one.insert(key(n));
    return one;
  });
  expect(lane.length).toBe(all);
  expect(bytes / all).toBeLessThan(120);
});
