import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Lane, Smallest } from '../../../src/daemon/outbox/lanes.ts';

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

test('the smallest of many are found without keeping many', () => {
  const [smallest, bytes] = takenBy(() => {
    const some = new Smallest(10);
    for (let n = MANY; n > 0; n--) some.add(key(n));
    return some;
  });
  expect(bytes).toBeLessThan(500_000);
  expect(smallest.sorted()).toEqual(Array.from({ length: 10 }, (_, n) => key(n + 1)));
});

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
