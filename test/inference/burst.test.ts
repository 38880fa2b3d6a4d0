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

/** Photos that wait, from one moment to another, every so many ms. */
function waiting(from: number, to: number, every: number): void {
  for (let now = from; now <= to; now += every) burst.waiting(now);
}

it('begins once photos have waited for a second without a gap', () => {
  waiting(0, 900, 100);
  expect(begin).not.toHaveBeenCalled();
  waiting(1000, 1000, 100);
  expect(begin).toHaveBeenCalledOnce();
});

it('does not count the time of a gap', () => {
  waiting(0, 900, 100);
  waiting(1400, 2300, 100);
  expect(begin).not.toHaveBeenCalled();
});

it('ends once, when none has waited for long', () => {
  waiting(0, 1000, 100);
  vi.advanceTimersByTime(1_900);
  burst.waiting(3_000);
  vi.advanceTimersByTime(1_900);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10_000);
  expect(end).toHaveBeenCalledOnce();
});
