import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { expect, test } from 'vitest';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { DiskOutbox } from '../../../src/daemon/outbox/outbox.ts';
import type { Session } from '../../../src/transport/mqtt/client/session.ts';
import { Delivery } from '../../../src/transport/mqtt/delivery.ts';
import { topicsOf } from '../../../src/transport/mqtt/topics.ts';
import { eventually, silent, temporaryDir } from '../../daemon/support.ts';
import { PUBLISH, puback, scriptedBroker, topicOf } from './scripted-broker.ts';
import { doorIn, listener, openDoor, otherBroker, tryAgainSoon } from './support.ts';

const failure = (id: string) => ({
  kind: 'error' as const,
  payload: { id, source: 'mqtt' as const, file: null, code: 'internal', message: 'x' },
});
const ids = (seen: { json: Record<string, unknown> }[]) => seen.map(({ json }) => json.id);

test('what the broker missed comes oldest first, marked, and once', async () => {
  const broker = await otherBroker();
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  await broker.down();
  await eventually(() => !door.health().ok);
  for (let n = 0; n < 100; n++) await outbox.put(failure(`late-${n}`));
  await broker.up();
  const sub = await listener(broker.url, ['retagger/box/error']);
  await eventually(() => door.health().ok && outbox.length === 0);
  await outbox.put(failure('new'));
  // Those that were sent before the listener had subscribed are not seen; aedes keeps none.
  await eventually(() => ids(sub.seen).includes('new'));
  const late = sub.seen.filter(({ json }) => json.id !== 'new');
  expect(late.every(({ json }) => json.replayed === true)).toBe(true);
  expect(ids(late)).toEqual(Array.from({ length: 100 }, (_, n) => `late-${n}`).slice(-late.length));
  expect(sub.seen.at(-1)?.json).not.toHaveProperty('replayed');
});

test('what an earlier run left is sent', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, ['retagger/box/error']);
  const dir = await temporaryDir();
  const first = await doorIn(dir);
  await first.start();
  for (const id of ['a', 'b', 'c']) await first.outbox.put(failure(id));
  const { outbox } = await (await doorIn(dir, { mqtt: { url: broker.url } })).open();
  const late = await sub.first('/error', 3);
  expect(ids(late)).toEqual(['a', 'b', 'c']);
  expect(late[0]?.json).toMatchObject({ code: 'internal', replayed: true });
  await eventually(() => outbox.length === 0);
});

/** Properties of CONNACK: Receive Maximum, Maximum Packet Size. */
const RECEIVE_10 = [0x21, 0, 10];
const PACKET_400 = [0x27, 0, 0, 1, 0x90];

test.each([
  ['32 at most are on their way', [], 32],
  // A message may be two packets: to its topic and to the sender's.
  ['no more than half of what the broker takes', RECEIVE_10, 5],
])('nothing leaves the disk before its PUBACK; %s', async (_name, properties, expected) => {
  const published: string[] = [];
  const url = await scriptedBroker(properties, (packet) => {
    if (packet.type === PUBLISH) published.push(topicOf(packet));
  });
  const box = await doorIn(await temporaryDir(), { mqtt: { url } });
  await box.start();
  for (let n = 0; n < 80; n++) await box.outbox.put(failure(`${n}`));
  await box.door.start();
  const errors = () => published.filter((topic) => topic === 'retagger/box/error').length;
  await eventually(() => errors() >= expected);
  await sleep(100);
  expect(errors()).toBe(expected);
  expect(box.outbox.length).toBe(80);
});

test.each([1, 2])(
  'a broker that takes %d at once gets no more, its status included',
  async (most) => {
    const flying = new Map<Socket, number>();
    let largest = 0;
    const url = await scriptedBroker([0x21, 0, most], (packet, socket) => {
      if (packet.type !== PUBLISH) return;
      const now = (flying.get(socket) ?? 0) + 1;
      flying.set(socket, now);
      largest = Math.max(largest, now);
      setTimeout(() => {
        flying.set(socket, (flying.get(socket) ?? 0) - 1);
        socket.write(Buffer.from(puback(packet)));
      }, 5);
    });
    const box = await doorIn(await temporaryDir(), { mqtt: { url, discovery: 'ha' } });
    await box.start();
    for (let n = 0; n < 20; n++) {
      await box.outbox.put({ ...failure(`${n}`), reply: { topic: 'sender' } });
    }
    await box.door.start();
    await eventually(() => box.outbox.length === 0 && [...flying.values()].every((n) => n === 0));
    expect(largest).toBe(most);
  },
);

test('a reason that no PUBACK should have is a refusal, and holds up nothing else', async () => {
  const PACKET_TOO_LARGE = 0x95;
  const url = await scriptedBroker([], (packet, socket) => {
    if (packet.type !== PUBLISH) return;
    const isError = topicOf(packet).endsWith('/error');
    socket.write(Buffer.from(puback(packet, isError ? PACKET_TOO_LARGE : undefined)));
  });
  const box = await openDoor({ mqtt: { url } });
  await box.outbox.put(failure('large'));
  await eventually(() => box.door.health().detail.includes('Packet too large'));
  await box.outbox.put({ ...failure('small'), kind: 'result' } as never);
  await eventually(() => box.outbox.length === 1);
});

/** A box whose broker acknowledges all it gets, and takes no packet of more than 400 bytes. */
async function takingSmallPackets() {
  const published: string[] = [];
  const url = await scriptedBroker(PACKET_400, (packet, socket) => {
    if (packet.type !== PUBLISH) return;
    published.push(topicOf(packet));
    socket.write(Buffer.from(puback(packet)));
  });
  const box = await doorIn(await temporaryDir(), { mqtt: { url } });
  await box.start();
  return { box, published };
}

test('what is too large for the broker is not sent, and said', async () => {
  const { box, published } = await takingSmallPackets();
  const { payload } = failure('large');
  await box.outbox.put({ kind: 'error', payload: { ...payload, message: 'x'.repeat(300) } });
  await box.door.start();
  await eventually(() => /maximum packet size of 400/.test(box.door.health().detail));
  expect(box.door.health().ok).toBe(false);
  expect(published).not.toContain('retagger/box/error');
  expect(box.outbox.length).toBe(1);
  // Others of its kind do not wait for it.
  for (let n = 0; n < 5; n++) {
    await box.outbox.put(failure('small'));
    await eventually(() => box.outbox.length === 1);
  }
  expect(box.door.health().detail).toContain('1 wait');
  expect(published.filter((topic) => topic === 'retagger/box/error')).toHaveLength(5);
});

test('a reply that is too large for the broker is not sent; its result is', async () => {
  const { box, published } = await takingSmallPackets();
  const reply = { topic: 'answers', correlation: Buffer.alloc(300).toString('base64') };
  await box.outbox.put({ ...failure('a'), reply });
  await box.door.start();
  await eventually(() => box.outbox.length === 0);
  expect(published).toContain('retagger/box/error');
  expect(published).not.toContain('answers');
});

test('a connection lost before the PUBACK: sent again with the same id', async () => {
  tryAgainSoon();
  let cuts = 3;
  const broker = await otherBroker({
    authorizePublish(client, packet, done) {
      const cut = packet.topic.endsWith('/result') && cuts-- > 0;
      if (cut) client?.conn.destroy();
      else done(null);
    },
  });
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', '{"id":"x","image":"a2l0Y2hlbg=="}', {
    qos: 1,
  });
  const [result] = await sub.first('/result');
  expect(result?.json).toMatchObject({ id: 'x', tag: 'kitchen', replayed: true });
  await eventually(() => outbox.length === 0);
  expect(cuts).toBeLessThanOrEqual(0);
});

// As mqtt.js does where the broker no longer answers its pings.
test.each(['retagger/box/error', 'sender'])(
  'a PUBLISH to %s that fails before the connection is known to have ended is no refusal, and comes again',
  async (failing) => {
    const lines: string[] = [];
    const log = pino({}, { write: (line) => void lines.push(line) });
    const outbox = new DiskOutbox(new HomeDisk(await temporaryDir()), silent);
    await outbox.open(new Set());
    const delivery = new Delivery(outbox, topicsOf('retagger/box'), log);
    const published: string[] = [];
    const session = (fails: string): Session =>
      ({
        ...{ version: 5, connack: {}, signal: new AbortController().signal },
        publish: async (topic: string) => {
          published.push(topic);
          if (topic === fails) throw new Error('Connection closed');
        },
      }) as unknown as Session;
    await outbox.put({ ...failure('a'), reply: { topic: 'sender' } });
    delivery.up(session(failing));
    await eventually(() => published.includes(failing));
    await new Promise(setImmediate);
    expect([delivery.refused, lines, outbox.length]).toEqual([null, [], 1]);
    delivery.down();
    published.length = 0;
    delivery.up(session('none'));
    await eventually(() => outbox.length === 0);
    expect(published).toEqual(['retagger/box/error', 'sender']);
  },
);

test('a lost connection takes no message with it, and the next has as much room', async () => {
  const outbox = new DiskOutbox(new HomeDisk(await temporaryDir()), silent);
  await outbox.open(new Set());
  for (let n = 0; n < 40; n++) await outbox.put(failure(`${n}`));
  const delivery = new Delivery(outbox, topicsOf('retagger/box'), silent);
  /** @returns what ends each PUBLISH on a new connection. */
  const connect = () => {
    const ends: (() => void)[] = [];
    const publish = () => new Promise((_, reject) => ends.push(() => reject(new Error('closed'))));
    const { signal } = new AbortController();
    delivery.up({ version: 5, connack: {}, signal, publish } as unknown as Session);
    return ends;
  };
  // One is lost while the outbox is read, one with all on their way.
  connect();
  delivery.down();
  const second = connect();
  await eventually(() => second.length === 32);
  delivery.down();
  const third = connect();
  await eventually(() => third.length === 32);
  for (const end of second) end();
  await sleep(100);
  expect(third).toHaveLength(32);
});

test('a result that comes in during a long replay does not wait for its end', async () => {
  const broker = await otherBroker({
    authorizePublish: (_client, _packet, done) => void setTimeout(done, 100, null),
  });
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  await broker.down();
  await eventually(() => !door.health().ok);
  for (let n = 0; n < 300; n++) await outbox.put(failure(`late-${n}`));
  await broker.up();
  const sub = await listener(broker.url, ['retagger/box/error']);
  await eventually(() => outbox.length < 300);
  await outbox.put(failure('new'));
  await eventually(() => ids(sub.seen).includes('new'));
  expect(outbox.length).toBeGreaterThan(30);
});

test('stopping waits for what is on its way', async () => {
  const broker = await otherBroker();
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/error']);
  for (let n = 0; n < 20; n++) await box.outbox.put(failure(`${n}`));
  await box.close();
  expect(box.outbox.length).toBe(0);
  await sub.first('/error', 20);
});

test('hundreds of messages of one kind that the broker refuses hold up none of the other', async () => {
  let refuses = true;
  const seen: string[] = [];
  const url = await scriptedBroker([], (packet, socket) => {
    if (packet.type !== PUBLISH) return;
    const topic = topicOf(packet);
    seen.push(topic);
    const no = refuses && topic.endsWith('/error');
    // Not authorized, or success.
    socket.write(Buffer.from(puback(packet, no ? 0x87 : undefined)));
  });
  const box = await doorIn(await temporaryDir(), { mqtt: { url } });
  await box.start();
  for (let n = 0; n < 500; n++) await box.outbox.put(failure(`${n}`));
  await box.door.start();
  await eventually(() => box.door.health().detail.includes('refuses errors: '));
  const result = { ...failure('tagged'), kind: 'result' as const };
  await box.outbox.put(result);
  await eventually(() => seen.some((topic) => topic.endsWith('/result')));
  await eventually(() => box.outbox.length === 500);
  // A look now and then, no storm.
  expect(seen.length).toBeLessThan(100);
  refuses = false;
  await eventually(() => box.outbox.length === 0);
});

/** A broker that hangs up whenever something is published to `poison`. */
async function beforePoison() {
  tryAgainSoon();
  const seen: string[] = [];
  const acks: number[] = [];
  const url = await scriptedBroker([], (packet, socket) => {
    if (packet.type !== PUBLISH || socket.destroyed) return;
    const topic = topicOf(packet);
    seen.push(topic);
    if (topic === 'poison') return void socket.destroy();
    // A little later and together, so that all replies are on their way at once.
    if (acks.length === 0) setTimeout(() => socket.write(Buffer.from(acks.splice(0))), 50);
    acks.push(...puback(packet));
  });
  const box = await doorIn(await temporaryDir(), { mqtt: { url } });
  await box.start();
  return { ...box, seen, poisoned: () => seen.filter((topic) => topic === 'poison').length };
}

test('a reply at which the broker hangs up, each time, does not hold up its result', async () => {
  const { outbox, door, seen, poisoned } = await beforePoison();
  await outbox.put({ ...failure('a'), reply: { topic: 'poison' } });
  await door.start();
  await eventually(() => outbox.length === 0);
  expect(poisoned()).toBeGreaterThan(1);
  // The next one has the same patience.
  await outbox.put({ ...failure('b'), reply: { topic: 'fine' } });
  await eventually(() => outbox.length === 0 && seen.includes('fine'));
});

test('nor do those that were on their way with it go without their replies', async () => {
  const { outbox, door, seen } = await beforePoison();
  const topics = ['poison', ...Array.from({ length: 20 }, (_, n) => `good/${n}`)];
  for (const topic of topics) await outbox.put({ ...failure(topic), reply: { topic } });
  await door.start();
  await eventually(() => outbox.length === 0);
  expect(new Set(seen.filter((topic) => topic.startsWith('good/'))).size).toBe(20);
});
