import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Burst } from '../../../src/inference/supervisor/burst.ts';

const begin = vi.fn();
const end = vi.fn();
let burst: Burst;

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  burst = new Burst({ begin, end });
});
afterEach(() => vi.useRealTimers());

it('begins once there were many for a second without a gap', () => {
  burst.look(true, 0);
  burst.look(false, 500);
  burst.look(true, 700);
  burst.look(true, 900);
  expect(begin).not.toHaveBeenCalled();
  burst.look(true, 1000);
  expect(begin).toHaveBeenCalledOnce();
});

it('begins no sooner where there was no photo for long', () => {
  burst.look(true, 60_000);
  burst.look(true, 60_900);
  expect(begin).not.toHaveBeenCalled();
  burst.look(true, 61_000);
  expect(begin).toHaveBeenCalledOnce();
});

it('begins also where each photo takes long', () => {
  burst.look(true, 0);
  burst.look(true, 900);
  expect(begin).not.toHaveBeenCalled();
  burst.look(true, 1800);
  expect(begin).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(60_000);
  expect(end).not.toHaveBeenCalled();
});

it('does not count the time of a gap', () => {
  burst.look(true, 0);
  burst.look(false, 900);
  burst.look(false, 1100);
  burst.look(true, 1200);
  burst.look(true, 2100);
  expect(begin).not.toHaveBeenCalled();
  burst.look(true, 2200);
  expect(begin).toHaveBeenCalledOnce();
});

it('ends once, when there were few for long', () => {
  burst.look(true, 0);
  burst.look(false, 1000);
  vi.advanceTimersByTime(1_900);
  burst.look(true, 2900);
  burst.look(false, 2950);
  vi.advanceTimersByTime(1_900);
  burst.look(false, 4850);
  expect(end).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10_000);
  expect(end).toHaveBeenCalledOnce();
});
