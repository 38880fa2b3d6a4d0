import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Burst } from '../../src/inference/burst.ts';

const begin = vi.fn();
const end = vi.fn();
let burst: Burst;

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  burst = new Burst({ begin, end });
});
afterEach(() => vi.useRealTimers());

/** Told of many photos from one moment to another, every so many ms. */
function many(from: number, to: number, every: number): void {
  for (let now = from; now <= to; now += every) burst.many(now);
}

it('begins once there were many for a second without a gap', () => {
  many(0, 900, 100);
  expect(begin).not.toHaveBeenCalled();
  many(1000, 1000, 100);
  expect(begin).toHaveBeenCalledOnce();
});

it('does not count the time of a gap', () => {
  many(0, 900, 100);
  many(1400, 2300, 100);
  expect(begin).not.toHaveBeenCalled();
});

it('ends once, when there were few for long', () => {
  many(0, 1000, 100);
  vi.advanceTimersByTime(1_900);
  burst.many(3_000);
  vi.advanceTimersByTime(1_900);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10_000);
  expect(end).toHaveBeenCalledOnce();
});
