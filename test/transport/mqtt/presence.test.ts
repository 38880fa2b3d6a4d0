import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { PUBLISH, puback, scriptedBroker, topicOf } from './scripted-broker.ts';
import { heldIntervals, listener, openDoor, otherBroker, tryAgainSoon } from './support.ts';

const STATUS = 'retagger/box/status';

// Nothing that the box gives some time is worth more than a second of a test.
vi.mock('../../../src/transport/mqtt/within.ts', async (original) => {
  const { within } = await original<typeof import('../../../src/transport/mqtt/within.ts')>();
  return { within: (ms: number, work: Promise<unknown>) => within(Math.min(ms, 1000), work) };
});

test('online, retained, with what is loaded', async () => {
  const { door } = await openDoor();
  await eventually(() => door.health().ok);
  const sub = await listener(door.url, [STATUS]);
  const [status] = await sub.first('/status');
  expect(status?.json).toEqual({
    state: 'online',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    model: 'text@1',
    engine: 'wasm',
  });
  expect(status?.packet.retain).toBe(true);
});

test('a photo sent at the word online is taken', async () => {
  const broker = await otherBroker({
    // A slow one: what is published meanwhile is dropped.
    authorizeSubscribe: (client, subscription, done) => {
      setTimeout(() => done(null, subscription), client && /-in$/.test(client.id) ? 300 : 0);
    },
  });
  const sub = await listener(broker.url, [STATUS, 'retagger/box/result']);
  await openDoor({ mqtt: { url: broker.url } });
  await sub.first('/status');
  await sub.client.publishAsync('retagger/box/ingest', 'hall 1', { qos: 1 });
  await sub.first('/result');
});

test('online also where the broker lets no box subscribe', async () => {
  const broker = await otherBroker({
    authorizeSubscribe: (client, subscription, done) => {
      done(null, client && /-in$/.test(client.id) ? null : subscription);
    },
  });
  const sub = await listener(broker.url, [STATUS]);
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  const [status] = await sub.first('/status');
  expect(status?.json).toMatchObject({ state: 'online' });
  expect(door.health().ok).toBe(false);
}, 30_000);

test('offline when the connection dies, and online again', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, [STATUS]);
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await sub.first('/status');
  await eventually(() => door.health().ok);
  broker.cut(/-out$/);
  const states = (await sub.first('/status', 3)).map(({ json }) => json.state);
  expect(states).toEqual(['online', 'offline', 'online']);
});

test('offline stays for who asks later, when the box does not come back', async () => {
  let open = true;
  const broker = await otherBroker({
    authenticate: (client, _name, _password, done) => done(null, open || !/-box-/.test(client.id)),
  });
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  open = false;
  broker.cut(/-out$/);
  const { seen } = await listener(broker.url, [STATUS]);
  await eventually(() => seen.at(-1)?.json.state === 'offline');
  const later = await listener(broker.url, [STATUS]);
  expect((await later.first('/status'))[0]).toMatchObject({
    json: { state: 'offline', model: 'text@1' },
    packet: { retain: true },
  });
});

test('a status that the broker refuses is said again', async () => {
  tryAgainSoon();
  const look = heldIntervals();
  const NOT_AUTHORIZED = 0x87;
  const reasons = [NOT_AUTHORIZED];
  const connections = new Set<Socket>();
  let taken = 0;
  const url = await scriptedBroker([], (packet, socket) => {
    if (packet.type !== PUBLISH || topicOf(packet) !== STATUS) return;
    connections.add(socket);
    const reason = reasons.shift();
    if (reason === undefined) taken += 1;
    socket.write(Buffer.from(puback(packet, reason)));
  });
  const { door } = await openDoor({ mqtt: { url } });
  await eventually(() => reasons.length === 0 && door.health().ok);
  await eventually(() => {
    look();
    return taken === 1;
  });
  expect(connections.size).toBe(1);
});

test('a broker that keeps no messages is told all the same, and gets a will', async () => {
  const [WILL, WILL_RETAIN, RETAIN] = [0x04, 0x20, 1];
  const RETAIN_NOT_SUPPORTED = 154;
  const RETAIN_AVAILABLE = 0x25;
  const flagsOf = (connect: { body: Buffer }) => connect.body[7] as number;
  const wills: number[] = [];
  const kept: boolean[] = [];
  const url = await scriptedBroker(
    [RETAIN_AVAILABLE, 0],
    (packet, socket) => {
      if (packet.type !== PUBLISH) return;
      kept.push((packet.flags & RETAIN) !== 0);
      socket.write(Buffer.from(puback(packet)));
    },
    (connect) => {
      if ((flagsOf(connect) & WILL_RETAIN) !== 0) return RETAIN_NOT_SUPPORTED;
      if ((flagsOf(connect) & WILL) !== 0) wills.push(flagsOf(connect));
      return 0;
    },
  );
  const { door } = await openDoor({ mqtt: { url } });
  await eventually(() => door.health().ok && kept.length > 0);
  expect(wills).toHaveLength(1);
  expect(kept).toEqual([false]);
});

test('what is too large for the broker to be told is not sent: it would hang up', async () => {
  const MAXIMUM_PACKET_SIZE = 0x27;
  const told: string[] = [];
  const url = await scriptedBroker([MAXIMUM_PACKET_SIZE, 0, 0, 2, 0], (packet, socket) => {
    if (packet.type !== PUBLISH) return;
    told.push(topicOf(packet));
    socket.write(Buffer.from(puback(packet)));
  });
  const { door } = await openDoor({ mqtt: { url, discovery: 'ha' } });
  await eventually(() => told.length > 0 && door.health().ok);
  await sleep(100);
  expect(told).toEqual([STATUS]);
});

test('offline after a clean stop, by our own word alone', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, [STATUS]);
  const box = await openDoor({ mqtt: { url: broker.url } });
  await sub.first('/status');
  await box.close();
  await sleep(100);
  expect(sub.seen.map(({ json }) => json.state)).toEqual(['online', 'offline']);
  const later = await listener(broker.url, [STATUS]);
  const [status] = await later.first('/status');
  expect(status?.json).toMatchObject({ state: 'offline' });
  expect(status?.packet.retain).toBe(true);
});

test('tells of another model', async () => {
  const look = heldIntervals();
  const { door, tagger } = await openDoor();
  const sub = await listener(door.url, [STATUS]);
  await sub.first('/status');
  tagger.info = { model: 'text@2', engine: 'onnxruntime', labels: ['kitchen'] };
  look();
  const statuses = await sub.first('/status', 2);
  expect(statuses[1]?.json).toMatchObject({ state: 'online', model: 'text@2' });
});

test('Home Assistant is told of the box only where it is asked for, and what it may show', async () => {
  const look = heldIntervals();
  const box = await openDoor({ mqtt: { discovery: 'ha/x' } });
  await eventually(() => box.door.health().ok);
  const topic = 'ha/x/device/retagger_box/config';
  const sub = await listener(box.door.url, ['ha/#']);
  const [message] = await sub.first(topic);
  expect(message?.packet.retain).toBe(true);
  const config = message?.json as {
    availability: { topic: string }[];
    components: Record<string, { state_topic: string; unique_id: string; options?: string[] }>;
  };
  expect(config).toMatchObject({
    device: { identifiers: ['retagger_box'], name: 'box', model: 'text@1' },
    origin: { sw_version: expect.stringMatching(/^\d/) },
    availability: [{ topic: STATUS }],
  });
  const { tag, score, error } = config.components;
  expect(tag?.options).toEqual(['kitchen', 'hall', 'unsure']);
  expect([tag, score, error].map((part) => part?.state_topic)).toEqual([
    ...['retagger/box/result', 'retagger/box/result', 'retagger/box/error'],
  ]);
  // Another model has other tags.
  box.tagger.info = { model: 'text@2', engine: 'wasm', labels: ['loft'] };
  look();
  const [, next] = await sub.first(topic, 2);
  expect(JSON.stringify(next?.json)).toContain('"options":["loft","unsure"]');

  const other = await openDoor();
  await eventually(() => other.door.health().ok);
  const all = await listener(other.door.url, ['#']);
  await all.first('/status');
  expect(all.seen.map((each) => each.topic)).toEqual([STATUS]);
});
