import { expect, it } from 'vitest';
import { backoffMs, memoryShare } from '../../src/inference/supervision.ts';

const MiB = 1024 * 1024;

it('starts again at once after one fault, then waits ever longer, up to half a minute', () => {
  const waits = Array.from({ length: 12 }, (_, faults) => backoffMs(faults));
  expect(waits.slice(0, 5)).toEqual([0, 0, 250, 500, 1000]);
  for (let i = 1; i < waits.length; i++) {
    expect(waits[i]).toBeGreaterThanOrEqual(waits[i - 1] as number);
  }
  expect(backoffMs(1000)).toBe(30_000);
});

it('leaves room for this process and for a second worker', () => {
  expect(memoryShare(512 * MiB, 100 * MiB, 140 * MiB)).toBe(272 * MiB);
});

it('never replaces a worker that has not grown, however low the limit', () => {
  expect(memoryShare(192 * MiB, 150 * MiB, 140 * MiB)).toBeGreaterThan(140 * MiB);
});
