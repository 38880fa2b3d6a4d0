import { expect, it } from 'vitest';
import { giveBack, take } from '../../src/inference/places.ts';

const MiB = 1024 * 1024;

it('has so many bytes, whatever was there before', () => {
  const large = take(3 * MiB);
  giveBack(large);
  const small = take(1000);
  expect([large.length, small.length]).toEqual([3 * MiB, 1000]);
  giveBack(small);
});

it('a place goes on to the next photo, also to one of nearly its size', () => {
  const first = take(5 * MiB - 10);
  giveBack(first);
  const second = take(5 * MiB);
  expect(second.buffer).toBe(first.buffer);
  giveBack(second);
});

it('no two photos share one', () => {
  const [one, other] = [take(MiB), take(MiB)];
  expect(one.buffer).not.toBe(other.buffer);
  giveBack(one);
  giveBack(other);
  expect(() => giveBack(one)).toThrow('twice');
  expect(take(MiB).buffer).not.toBe(take(MiB).buffer);
});

it('takes the smallest that will do', () => {
  const [large, small] = [take(4 * MiB), take(MiB)];
  giveBack(large);
  giveBack(small);
  expect(take(MiB).buffer).toBe(small.buffer);
  expect(take(MiB + 1).buffer).toBe(large.buffer);
});

it('keeps no more than a few', () => {
  const burst = Array.from({ length: 40 }, () => take(MiB));
  const before = new Set(burst.map(({ buffer }) => buffer));
  for (const place of burst) giveBack(place);
  const kept = Array.from({ length: 40 }, () => take(MiB)).filter(({ buffer }) =>
    before.has(buffer),
  );
  expect(kept.length).toBeGreaterThan(4);
  expect(kept.length).toBeLessThanOrEqual(8);
});
