import { expect, it, onTestFinished, vi } from 'vitest';
import {
  backoffMs,
  memoryShare,
  Pause,
  secondFits,
} from '../../../src/inference/supervisor/supervision.ts';

const MiB = 1024 * 1024;
/** A worker that has mapped 90 MiB of files. */
const FRESH = { total: 140 * MiB, own: 50 * MiB };

it('starts again at once after one fault, then waits ever longer, up to half a minute', () => {
  const waits = Array.from({ length: 12 }, (_, faults) => backoffMs(faults));
  expect(waits.slice(0, 5)).toEqual([0, 0, 250, 500, 1000]);
  for (let i = 1; i < waits.length; i++) {
    expect(waits[i]).toBeGreaterThanOrEqual(waits[i - 1] as number);
  }
  expect(backoffMs(1000)).toBe(30_000);
});

it('leaves room for this process and for what a replacement does not share', () => {
  expect(memoryShare(512 * MiB, 100 * MiB, FRESH)).toBe(362 * MiB);
});

it('lets a worker load its engine once more where there is room for what a fresh one has', () => {
  const now = { total: 180 * MiB, own: 90 * MiB };
  expect(secondFits(512 * MiB, 234 * MiB, now, FRESH)).toBe(true);
  expect(secondFits(512 * MiB, 235 * MiB, now, FRESH)).toBe(false);
});

it('never replaces a worker that has not grown, however low the limit', () => {
  expect(memoryShare(192 * MiB, 150 * MiB, FRESH)).toBeGreaterThan(140 * MiB);
});

it('pauses for a minute, each time anew', () => {
  vi.useFakeTimers({ toFake: ['performance'], now: 0 });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const pause = new Pause();
  expect(pause.isOver).toBe(true);
  for (let n = 0; n < 2; n++) {
    pause.begin();
    vi.advanceTimersByTime(59_999);
    expect(pause.isOver).toBe(false);
    vi.advanceTimersByTime(1);
    expect(pause.isOver).toBe(true);
  }
});
