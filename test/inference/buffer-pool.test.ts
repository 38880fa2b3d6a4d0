import { expect, it } from 'vitest';
import { acquireBuffer, releaseBuffer } from '../../src/inference/buffer-pool.ts';

const MiB = 1024 * 1024;

it('has so many bytes, whatever was there before', () => {
  const large = acquireBuffer(3 * MiB);
  releaseBuffer(large);
  const small = acquireBuffer(1000);
  expect([large.length, small.length]).toEqual([3 * MiB, 1000]);
  releaseBuffer(small);
});

it('a place goes on to the next photo, also to one of nearly its size', () => {
  const first = acquireBuffer(5 * MiB - 10);
  releaseBuffer(first);
  const second = acquireBuffer(5 * MiB);
  expect(second.buffer).toBe(first.buffer);
  releaseBuffer(second);
});

it('no two photos share one', () => {
  const [one, other] = [acquireBuffer(MiB), acquireBuffer(MiB)];
  expect(one.buffer).not.toBe(other.buffer);
  releaseBuffer(one);
  releaseBuffer(other);
  expect(() => releaseBuffer(one)).toThrow('twice');
  expect(acquireBuffer(MiB).buffer).not.toBe(acquireBuffer(MiB).buffer);
});

it('takes the smallest that will do', () => {
  const [large, small] = [acquireBuffer(4 * MiB), acquireBuffer(MiB)];
  releaseBuffer(large);
  releaseBuffer(small);
  expect(acquireBuffer(MiB).buffer).toBe(small.buffer);
  expect(acquireBuffer(MiB + 1).buffer).toBe(large.buffer);
});

it('keeps no more than a few', () => {
  const burst = Array.from({ length: 40 }, () => acquireBuffer(MiB));
  const before = new Set(burst.map(({ buffer }) => buffer));
  for (const place of burst) releaseBuffer(place);
  const kept = Array.from({ length: 40 }, () => acquireBuffer(MiB)).filter(({ buffer }) =>
    before.has(buffer),
  );
  expect(kept.length).toBeGreaterThan(4);
  expect(kept.length).toBeLessThanOrEqual(8);
});
