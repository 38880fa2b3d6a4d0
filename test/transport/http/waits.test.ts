import { expect, onTestFinished, test, vi } from 'vitest';
import { Waits } from '../../../src/transport/http/waits.ts';

const never = new Promise<never>(() => {});
const late = () => new Error('late');

test('work that is done in time', async () => {
  const waits = new Waits();
  expect(await waits.within(Promise.resolve(1), 60_000, late)).toBe(1);
  await expect(waits.within(Promise.reject(new Error('no')), 60_000, late)).rejects.toThrow('no');
});

test('work that is not', async () => {
  await expect(new Waits().within(never, 5, late)).rejects.toThrow('late');
});

test('whoever waits is sent away, and whoever comes later', async () => {
  const waits = new Waits();
  const waiting = waits.within(never, 60_000, late);
  waits.end(new Error('closed'));
  await expect(waiting).rejects.toThrow('closed');
  await expect(waits.within(never, 60_000, late)).rejects.toThrow('closed');
});

test('what is done already counts even then', async () => {
  const waits = new Waits();
  const waiting = waits.within(Promise.resolve(1), 60_000, late);
  waits.end(new Error('closed'));
  expect(await waiting).toBe(1);
});

test('nothing is left of whoever has its answer', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const kept = vi.spyOn(Set.prototype, 'delete');
  onTestFinished(() => kept.mockRestore());
  await new Waits().within(Promise.resolve(1), 60_000, late);
  expect(vi.getTimerCount()).toBe(0);
  expect(kept).toHaveReturnedWith(true);
});
