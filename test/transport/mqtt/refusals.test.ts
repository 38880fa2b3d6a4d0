import pino from 'pino';
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

test('a lost connection forgets it all; each state is logged once', () => {
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) });
  const said = () => lines.splice(0).map((line) => JSON.parse(line).msg);
  const refusals = new Refusals(log);
  expect(refusals.accepted('result')).toEqual([]);
  for (const key of ['a', 'b']) refusals.refused(entry(key), NO);
  for (const key of ['c', 'd']) refusals.tooLarge(entry(key), new Error(`${key} is too large`));
  expect(refusals.detail).toContain('2 wait: c is');
  // None of these was the one that is tried.
  expect(refusals.due()).toEqual([]);
  expect(said()).toEqual([
    'the broker refuses messages; trying again',
    'a message is too large for the broker',
  ]);
  expect(refusals.accepted('result')).toEqual(['a', 'b']);
  expect(said()).toEqual(['the broker takes messages again']);
  refusals.refused(entry('a'), NO);
  refusals.clear();
  expect([refusals.detail, refusals.hold(entry('a')), refusals.due()]).toEqual([null, false, []]);
  expect(refusals.accepted('result')).toEqual([]);
});
