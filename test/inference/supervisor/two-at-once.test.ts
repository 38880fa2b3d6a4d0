import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TwoAtOnce } from '../../../src/inference/supervisor/two-at-once.ts';
import type { Slot } from '../../../src/inference/supervisor/workers.ts';

let twoAtOnce: TwoAtOnce;
let current: Slot | null;
let fits: boolean;
let logged: string[];
/** What the worker was told, and how it ends that. */
let told: number[];
let done: () => void;
let failed: (error: Error) => void;

const slot = () => ({ jobs: new Set(), state: 'open', atOnce: 1 }) as unknown as Slot;

function share(_slot: Slot, atOnce: number): Promise<void> {
  told.push(atOnce);
  return new Promise((resolve, reject) => {
    done = resolve;
    failed = reject;
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  current = slot();
  fits = true;
  logged = [];
  twoAtOnce = new TwoAtOnce({
    log: pino({}, { write: (line: string) => logged.push(JSON.parse(line).msg) }),
    current: () => current,
    fits: () => fits,
    share,
  });
});
afterEach(() => {
  twoAtOnce.stop();
  vi.useRealTimers();
});

/** Many photos for so long. */
async function many(ms: number): Promise<void> {
  for (let past = 0; past <= ms; past += 100) {
    twoAtOnce.look(true);
    await vi.advanceTimersByTimeAsync(100);
  }
}

async function few(ms: number): Promise<void> {
  twoAtOnce.look(false);
  await vi.advanceTimersByTimeAsync(ms);
}

async function loaded(): Promise<void> {
  done();
  await vi.advanceTimersByTimeAsync(0);
}

it('a worker is told of two once, and of one when there are few photos', async () => {
  await few(5000);
  await many(5000);
  expect(told).toEqual([2]);
  await loaded();
  await many(5000);
  expect([told, current?.atOnce]).toEqual([[2], 2]);
  await few(5000);
  expect(told).toEqual([2, 1]);
  await loaded();
  expect(current?.atOnce).toBe(1);
  expect(logged).toEqual([
    'many photos: two inferences at once from now on',
    'one inference at once from now on',
  ]);
});

it('photos that are gone before the worker does two: it goes back to one', async () => {
  await many(2000);
  for (let times = 0; times < 2; times++) {
    await many(2000);
    await few(5000);
  }
  expect(told).toEqual([2]);
  await loaded();
  expect(told).toEqual([2, 1]);
  await loaded();
  expect(current?.atOnce).toBe(1);
});

it('one that cannot is asked again a minute later, if there are many photos still', async () => {
  await many(2000);
  failed(new Error('no memory'));
  await many(50_000);
  expect(told).toEqual([2]);
  await many(15_000);
  expect(told).toEqual([2, 2]);
});

it('memory that is short ends two, for a minute; where there are none it is no help', async () => {
  expect(twoAtOnce.giveUp(current as Slot)).toBe(false);
  await many(2000);
  await loaded();
  expect(twoAtOnce.giveUp(current as Slot)).toBe(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual([2, 1]);
  expect(twoAtOnce.giveUp(current as Slot)).toBe(false);
  await loaded();
  await many(50_000);
  expect(told).toEqual([2, 1]);
  await many(15_000);
  expect(told).toEqual([2, 1, 2]);
});

it('a worker that ends over it: the next one is asked when its time has come', async () => {
  await many(2000);
  current = null;
  failed(new Error('gone'));
  await many(1000);
  current = slot();
  twoAtOnce.reset();
  await many(50_000);
  expect(told).toEqual([2]);
  await many(15_000);
  expect(told).toEqual([2, 2]);
});

it('one that cannot go back to one goes on with two', async () => {
  await many(2000);
  await loaded();
  await few(5000);
  failed(new Error('no answer'));
  await vi.advanceTimersByTimeAsync(0);
  expect([told, current?.atOnce]).toEqual([[2, 1], 2]);
  await many(5000);
  await few(5000);
  expect(told).toEqual([2, 1, 1]);
});

it('a worker of which two have no room is told of none', async () => {
  fits = false;
  await many(5000);
  expect([told, logged]).toEqual([[], []]);
});

it('a worker that another model has replaced is no reason to wait', async () => {
  await many(2000);
  Object.assign(current as Slot, { state: 'retired' });
  current = slot();
  twoAtOnce.reset();
  failed(new Error('gone'));
  await many(2000);
  expect(told).toEqual([2, 2]);
  expect(logged).not.toContain('the worker does not change its inferences at once');
});

it('a worker that is being killed is told nothing more', async () => {
  await many(2000);
  await loaded();
  Object.assign(current as Slot, { state: 'hung' });
  await few(5000);
  expect(told).toEqual([2]);
});

it('once it is stopped nothing is said or done any more', async () => {
  await many(2000);
  await loaded();
  await few(1000);
  twoAtOnce.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect([told, logged]).toEqual([[2], ['many photos: two inferences at once from now on']]);
});

it('a worker that ends with the daemon is no fault', async () => {
  await many(2000);
  twoAtOnce.stop();
  failed(new Error('gone'));
  await vi.advanceTimersByTimeAsync(0);
  expect(logged).toEqual(['many photos: two inferences at once from now on']);
});
