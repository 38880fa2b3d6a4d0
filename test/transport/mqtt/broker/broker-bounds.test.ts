import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import {
  type BoundedBroker,
  boundPersistence,
} from '../../../../src/transport/mqtt/broker/broker-bounds.ts';
import { silent } from '../../../daemon/support.ts';

/** What is asked of aedes, and sessions that were ended. */
function bounded() {
  const events = new EventEmitter();
  const done = async () => {};
  const addSubscriptions = vi.fn(async (_client: object, _subs: readonly object[]) => {});
  const storeRetained = vi.fn(async (_packet: { topic: string; payload: Buffer }) => {});
  const cleanSubscriptions = vi.fn(async (_client: { id: string }) => {});
  const cleanIncoming = vi.fn(async (_client: { id: string }) => {});
  const broker = {
    clients: {} as Record<string, object>,
    on: events.on.bind(events),
    persistence: {
      cleanSubscriptions,
      cleanIncoming,
      incomingStorePacket: done,
      storeRetained,
      addSubscriptions,
    },
  } as unknown as BoundedBroker;
  boundPersistence(broker, silent);
  const connect = (id: string) => {
    const client = { id, clean: false };
    broker.clients[id] = client;
    events.emit('client', client);
    return client;
  };
  const end = (client: { id: string }) => {
    delete broker.clients[client.id];
    events.emit('clientDisconnect', client);
  };
  const send = (clientId: string, bytes: number) =>
    broker.persistence.outgoingEnqueue(
      { clientId },
      { topic: 'news', payload: Buffer.alloc(bytes) },
    );
  const ended = () => {
    expect(cleanIncoming.mock.calls).toEqual(cleanSubscriptions.mock.calls);
    return cleanSubscriptions.mock.calls.map(([client]) => client.id);
  };
  return { broker, addSubscriptions, storeRetained, connect, end, send, ended };
}

test('a client that came back before its old connection had ended is there', () => {
  const { broker, connect, end, ended } = bounded();
  end(connect('there'));
  const old = connect('there');
  const now = connect('there');
  end(old);
  expect(broker.clients.there).toBe(now);
  for (let n = 0; n < 101; n++) end(connect(`visitor-${n}`));
  expect(ended()).toEqual(['visitor-0']);
  // Its real end counts.
  end(now);
  expect(ended()).toEqual(['visitor-0', 'visitor-1']);
});

test('no session ends for a message that cannot be kept anyway', async () => {
  const { connect, end, send, ended } = bounded();
  for (const id of ['a', 'b']) {
    end(connect(id));
    await send(id, 10);
  }
  // Nor its own, to make room for more.
  await send('a', 32 * 1024 * 1024 - 5);
  expect(ended()).toEqual([]);
  connect('there');
  await send('there', 33 * 1024 * 1024);
  expect(ended()).toEqual([]);
  await send('there', 32 * 1024 * 1024 - 5);
  expect(ended()).toEqual(['a', 'b']);
});

test('a refused subscription is not kept in the session', async () => {
  const { broker, addSubscriptions, connect } = bounded();
  const client = connect('greedy');
  const subs = Array.from({ length: 250 }, (_, n) => ({ topic: `many/${n}` }));
  for (const sub of subs) broker.authorizeSubscribe(client, sub, () => {});
  await broker.persistence.addSubscriptions(client, subs);
  expect(addSubscriptions.mock.calls).toEqual([[client, subs.slice(0, 200)]]);
});

test('long topics are bounded too', () => {
  const { broker, connect } = bounded();
  const client = connect('greedy');
  const granted = (topic: string) => {
    let isGranted = false;
    broker.authorizeSubscribe(client, { topic }, (_error, sub) => {
      isGranted = sub !== null;
    });
    return isGranted;
  };
  const deep = (n: number) => `${n}${'/level'.repeat(99)}`;
  expect(granted('x'.repeat(65_535))).toBe(false);
  const all = Array.from({ length: 200 }, (_, n) => granted(deep(n)));
  expect(all.filter(Boolean).length).toBe(27);
  expect(granted(deep(0))).toBe(true);
  expect(granted('news')).toBe(true);
});

test('retained messages are bounded together, topics too, and keep nothing else alive', async () => {
  const { broker, storeRetained } = bounded();
  const retain = (topic: string, bytes: number) =>
    broker.persistence.storeRetained({ topic, payload: Buffer.alloc(200_000).subarray(0, bytes) });
  const long = (n: number) => `${n}`.padEnd(60_000, 'x');
  for (let n = 0; n < 100; n++) await retain(long(n), 60_000);
  const stored = storeRetained.mock.calls.map(([packet]) => packet);
  // 8 MiB of 120 kB each.
  expect(stored).toHaveLength(69);
  expect(stored.every(({ payload }) => payload.buffer.byteLength === 60_000)).toBe(true);
  // One that goes leaves room for another, and so does one that is smaller than what it replaces.
  await retain(long(0), 0);
  await retain(long(99), 60_000);
  await retain(long(1), 1);
  await retain(long(98), 59_000);
  expect(storeRetained).toHaveBeenCalledTimes(73);
});

test('topics whose message has gone leave room for others', async () => {
  const { broker, storeRetained } = bounded();
  for (let n = 0; n < 1100; n++) {
    for (const bytes of [1, 0]) {
      await broker.persistence.storeRetained({ topic: `${n}`, payload: Buffer.alloc(bytes) });
    }
  }
  expect(storeRetained).toHaveBeenCalledTimes(2200);
});
