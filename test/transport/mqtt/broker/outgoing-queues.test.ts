import { expect, test } from 'vitest';
import { OutgoingQueues } from '../../../../src/transport/mqtt/broker/outgoing-queues.ts';

const LIMITS = { one: 3, all: 5, bytes: 100 };
let counter = 0;
const message = (bytes: number) => ({
  brokerId: 'b',
  brokerCounter: ++counter,
  payload: Buffer.alloc(bytes),
});

test('each bound holds, and what has left makes room', () => {
  const queues = new OutgoingQueues(LIMITS);
  expect([30, 30, 30, 0].map((bytes) => queues.add('a', message(bytes)))).toEqual([
    ...[true, true, true, false],
  ]);
  expect(queues.isOver(11)).toBe(true);
  expect(queues.add('b', message(11))).toBe(false);
  expect([5, 5, 0].map((bytes) => queues.add('b', message(bytes)))).toEqual([true, true, false]);
  expect(queues.remove('a', undefined)?.payload).toHaveLength(30);
  expect(queues.add('c', message(30))).toBe(true);
  queues.drop('a');
  queues.drop('a');
  expect(queues.add('c', message(61))).toBe(false);
  expect(queues.add('c', message(60))).toBe(true);
  expect(queues.list('a')).toEqual([]);
});

test('topics count, and a payload keeps nothing of what was read with it', () => {
  const queues = new OutgoingQueues(LIMITS);
  const payload = Buffer.alloc(65_536, 'x').subarray(1, 3);
  expect(queues.add('a', { topic: 'x'.repeat(99), payload })).toBe(false);
  expect(queues.add('a', { topic: 'x'.repeat(98), payload })).toBe(true);
  const [kept] = queues.list('a');
  expect(kept?.payload).toEqual(payload);
  expect(kept?.payload?.buffer.byteLength).toBe(2);
  queues.remove('a', undefined);
  expect(queues.isOver(100)).toBe(false);
});

test('a PUBREL takes the place of its message and has no weight', () => {
  const queues = new OutgoingQueues(LIMITS);
  const sent = [message(50), message(50)].map((packet, n) => ({ ...packet, messageId: n + 1 }));
  for (const packet of sent) {
    queues.add('a', packet);
    queues.update('a', packet);
  }
  expect(queues.isOver(1)).toBe(true);
  queues.update('a', { messageId: 1 });
  expect(queues.isOver(50)).toBe(false);
  queues.update('a', { messageId: 2 });
  queues.update('a', { messageId: 2 });
  expect(queues.list('a').map(({ messageId }) => messageId)).toEqual([1, 2]);
  expect(queues.remove('a', 2)).toEqual({ messageId: 2 });
  expect(queues.remove('a', 2)).toBeUndefined();
  queues.update('a', { messageId: 2 });
  expect(queues.lengthOf('a')).toBe(1);
  expect(queues.remove('a', 1)).toEqual({ messageId: 1 });
  expect(queues.isOver(100)).toBe(false);
});
