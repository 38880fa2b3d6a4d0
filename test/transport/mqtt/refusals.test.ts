import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { OutboxEntry } from '../../../src/daemon/ports.ts';
import { Refusals } from '../../../src/transport/mqtt/refusals.ts';
import { silent } from '../../daemon/support.ts';

const NO = new Error('not authorized');
const entry = (key: string, kind: 'result' | 'error' = 'result') =>
  ({ key, message: { kind }, late: false }) as OutboxEntry;
/** The longest wait before the first try. */
const SOON = 1000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

test('each is tried in its turn, the others wait', () => {
  const refusals = new Refusals(silent);
  expect(refusals.hold(entry('a'))).toBe(false);
  refusals.refused(entry('a'), NO);
  expect(refusals.hold(entry('b'))).toBe(true);
  expect(refusals.hold(entry('c', 'error'))).toBe(false);
  expect(refusals.due()).toEqual([]);
  vi.advanceTimersByTime(SOON);
  expect(refusals.due()).toEqual(['a']);
  expect(refusals.due()).toEqual([]);
  expect(refusals.hold(entry('a'))).toBe(false);
  refusals.refused(entry('a'), NO);
  vi.advanceTimersByTime(2 * SOON);
  expect(refusals.due()).toEqual(['b']);
  expect(refusals.accepted('result')).toEqual(['a']);
  expect(refusals.detail).toBeNull();
});

test('one that never comes back from the outbox is not waited for', () => {
  const refusals = new Refusals(silent);
  for (const key of ['removed by hand', 'b']) refusals.refused(entry(key), NO);
  vi.advanceTimersByTime(SOON);
  expect(refusals.due()).toEqual(['removed by hand']);
  vi.advanceTimersByTime(2 * SOON);
  expect(refusals.due()).toEqual(['b']);
});

test('where the one that is tried is too large, another is at once', () => {
  const refusals = new Refusals(silent);
  for (const key of ['large', 'b']) refusals.refused(entry(key), NO);
  vi.advanceTimersByTime(SOON);
  expect(refusals.due()).toEqual(['large']);
  refusals.tooLarge(entry('large'), new Error('9 bytes'));
  expect(refusals.due()).toEqual(['b']);
  expect(refusals.detail).toBe(
    'refuses results: not authorized; takes none so large, 1 wait: 9 bytes',
  );
});
