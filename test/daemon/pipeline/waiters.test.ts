import { getEventListeners } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Waiters } from '../../../src/daemon/pipeline/waiters.ts';

test('who waits hears of it by the clock too; of who has gone nothing is left', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const waiters = new Waiters();
  const control = new AbortController();
  for (let round = 0; round < 2; round++) {
    let ready = false;
    const waiting = waiters.until(() => ready, control.signal);
    waiters.wake();
    ready = true;
    vi.advanceTimersByTime(250);
    await waiting;
    expect(getEventListeners(control.signal, 'abort')).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  }
  const never = vi.fn(() => false);
  const waiting = waiters.until(never, control.signal);
  control.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  const asked = never.mock.calls.length;
  vi.advanceTimersByTime(1000);
  expect(never).toHaveBeenCalledTimes(asked);
  expect(vi.getTimerCount()).toBe(0);
  await expect(waiters.until(() => true, control.signal)).rejects.toThrow('enough');
});
