import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import mqtt from 'mqtt';
import { generate, type Packet } from 'mqtt-packet';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  EmbeddedBroker,
  type EmbeddedBrokerParts,
} from '../../../../src/transport/mqtt/broker/broker.ts';
import { clientId } from '../../../../src/transport/mqtt/client/connect-options.ts';
import { topicsOf } from '../../../../src/transport/mqtt/topics.ts';
import {
  configIn,
  eventually,
  refuseToListen,
  silent,
  temporaryDir,
} from '../../../daemon/support.ts';
import { connected, embeddedBroker, listener, openDoor, otherBroker } from '../support.ts';

test('a broker that is already on the port is used', async () => {
  const broker = await otherBroker();
  const { door } = await openDoor({ mqtt: { port: broker.port } });
  await eventually(() => door.health().ok);
  expect(door.url).toBe(broker.url);
  expect(door.health().detail).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+, MQTT 3\.1\.1, since /);
});

test('so is one that comes at the same moment', async () => {
  const { port } = await otherBroker();
  const config = configIn(await temporaryDir(), { mqtt: { port } });
  const topics = topicsOf('retagger/box');
  const parts = { config, log: silent, topics, ownId: 'ours', take: async () => {} };
  const broker = new EmbeddedBroker(parts);
  expect(await broker.start()).toBe(false);
});

test('something else on the port: a clear word in the health, and no crash', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { door } = await openDoor({ mqtt: { port } });
  await eventually(() => door.health().detail.includes('does not answer as an MQTT broker'));
  expect(door.health().ok).toBe(false);
});

test('a port without the right to it is named with its key', async () => {
  refuseToListen();
  await expect(openDoor()).rejects.toThrow(/^mqtt\.port: listen EACCES/);
});

test('a broker that appears later is found', async () => {
  const broker = await otherBroker();
  await broker.down();
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().detail.includes('ECONNREFUSED'));
  await broker.up();
  await eventually(() => door.health().ok);
});

test('a refusal is in the health until it ends', async () => {
  let open = false;
  const broker = await otherBroker({
    authenticate: (client, _name, _password, done) => done(null, open || !/-box-/.test(client.id)),
  });
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().detail.includes('Not authorized'));
  open = true;
  await eventually(() => door.health().ok);
});

test('no secret in the health', async () => {
  const { door } = await openDoor({ mqtt: { url: 'mqtt://user:hunter2@127.0.0.1:1' } });
  await eventually(() => door.health().detail.includes('ECONNREFUSED'));
  expect(door.health().detail).not.toContain('hunter2');
});

test('the embedded broker listens on loopback only', async () => {
  const { door } = await openDoor();
  const socket = connect(Number(new URL(door.url).port), '127.0.0.1');
  await once(socket, 'connect');
  expect(socket.remoteAddress).toBe('127.0.0.1');
  expect(new URL(door.url).hostname).toBe('127.0.0.1');
  // Another address of this box's, as any in its network would be.
  const other = connect(Number(new URL(door.url).port), '127.0.0.2');
  const [error] = await once(other, 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  socket.destroy();
});

test('the embedded broker asks for the configured password', async () => {
  const { door } = await openDoor({ mqtt: { username: 'me', password: 'secret-word' } });
  await eventually(() => door.health().ok);
  const enter = (username: string, password: string) =>
    mqtt.connectAsync(door.url, { username, password, reconnectPeriod: 0 }, false);
  await expect(enter('me', 'wrong')).rejects.toThrow(/not authorized/i);
  await expect(enter('you', 'secret-word')).rejects.toThrow(/not authorized/i);
  await (await enter('me', 'secret-word')).endAsync();
});

test('a password without a user name is enough, for our own connection too', async () => {
  const { door } = await openDoor({ mqtt: { password: 'secret-word' } });
  await eventually(() => door.health().ok);
  const enter = (password: string) =>
    mqtt.connectAsync(door.url, { username: 'any', password, reconnectPeriod: 0 }, false);
  await expect(enter('wrong')).rejects.toThrow(/not authorized/i);
  await (await enter('secret-word')).endAsync();
});

test.each([{}, { username: 'me', password: 'secret-word' }])(
  'nobody else may have our own client id at the embedded broker (%j)',
  async (mqttConfig) => {
    const { door } = await openDoor({ mqtt: mqttConfig });
    await eventually(() => door.health().ok);
    const sub = await listener(door.url, ['retagger/box/status'], mqttConfig);
    const ownId = clientId(configIn('.', { mqtt: { base: 'retagger/box' } }), 'out');
    const enter = mqtt.connectAsync(
      door.url,
      { clientId: ownId, reconnectPeriod: 0, ...mqttConfig },
      false,
    );
    await expect(enter).rejects.toThrow(/identifier rejected/i);
    await sleep(50);
    expect(door.health().ok).toBe(true);
    // No Last Will was sent.
    expect(sub.on('/status').map(({ json }) => json.state)).not.toContain('offline');
  },
);

test('a second daemon of the same name is told so, and does not disturb the first', async () => {
  const { door } = await openDoor();
  await eventually(() => door.health().ok);
  const second = await openDoor({ mqtt: { url: door.url } });
  await eventually(() => second.door.health().detail.includes('its own node.id'));
  expect(door.health().ok).toBe(true);
});

test('the embedded broker does not serve more than its connections', async () => {
  const { door } = await openDoor();
  await eventually(() => door.health().ok);
  const clients = await Promise.all(Array.from({ length: 63 }, () => connected(door.url)));
  await expect(mqtt.connectAsync(door.url, { reconnectPeriod: 0 }, false)).rejects.toThrow();
  await clients[0]?.endAsync();
  await eventually(async () => {
    const client = await mqtt
      .connectAsync(door.url, { reconnectPeriod: 0 }, false)
      .catch(() => null);
    await client?.endAsync();
    return client !== null;
  });
});

test('a subscriber that is away gets the first thousand messages', async () => {
  const { door } = await openDoor();
  const options = { clientId: 'away', clean: false };
  const away = await listener(door.url, ['news'], options);
  await away.client.endAsync();
  const sender = await connected(door.url);
  for (let n = 0; n < 1010; n++) await sender.publishAsync('news', `{"n":${n}}`, { qos: 1 });
  await sender.publishAsync('news', Buffer.alloc(1000), { qos: 0 });
  const back = await listener(door.url, ['news'], options);
  await back.first('news', 1000);
  await sender.publishAsync('news', '{"n":"last"}', { qos: 1 });
  const seen = await back.first('news', 1001);
  expect(seen.map(({ json }) => json.n)).toEqual([...Array(1000).keys(), 'last']);
});

test('a subscriber with a session and QoS 2 gets every message once, also after it was away', async () => {
  const { door } = await openDoor();
  const options = { clientId: 'exact', clean: false, reconnectPeriod: 0 };
  const first = await connected(door.url, options);
  const seen: string[] = [];
  first.on('message', (_topic, payload) => seen.push(payload.toString()));
  await first.subscribeAsync('news', { qos: 2 });
  const sender = await connected(door.url);
  const send = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await sender.publishAsync('news', `${n}`, { qos: 2 });
  };
  await send(0, 50);
  await eventually(() => seen.length === 50);
  await first.endAsync();
  await send(50, 100);
  const second = mqtt.connect(door.url, options);
  onTestFinished(() => second.endAsync(true));
  second.on('message', (_topic, payload) => seen.push(payload.toString()));
  await eventually(() => seen.length === 100);
  await send(100, 150);
  await eventually(() => seen.length === 150);
  expect(seen).toEqual(Array.from({ length: 150 }, (_, n) => `${n}`));
  expect(second.connected).toBe(true);
});

test('photos sent with QoS 2, all at once, are each taken once', async () => {
  const { door, pipeline } = await openDoor();
  const taken: string[] = [];
  pipeline.onOutcome(({ photo }) => taken.push(photo.id));
  const sender = await connected(door.url);
  const photos = Array.from({ length: 60 }, (_, n) => `kitchen ${n}`);
  await Promise.all(
    photos.map((text) => sender.publishAsync('retagger/box/ingest', text, { qos: 2 })),
  );
  await eventually(() => taken.length >= 60 && pipeline.length === 0);
  expect(taken).toHaveLength(60);
});

test('a subscriber that is there and slow gets what there is no room to keep', async () => {
  const { door } = await openDoor();
  const there = await listener(door.url, ['news'], { clientId: 'there', clean: false });
  const sender = await connected(door.url);
  // More than is kept for all.
  await sender.publishAsync('news', Buffer.alloc(33 * 1024 * 1024), { qos: 1 });
  await there.first('news');
  await sender.publishAsync('news', '{"n":1}', { qos: 1 });
  expect((await there.first('news', 2))[1]?.json).toEqual({ n: 1 });
});

test('sessions nobody comes back to take nothing from a subscriber that is there', async () => {
  const { door } = await openDoor();
  for (let n = 0; n < 11; n++) {
    const options = { clientId: `gone-${n}`, clean: false };
    await (await listener(door.url, ['news'], options)).client.endAsync();
  }
  const there = await listener(door.url, ['news'], { clientId: 'there', clean: false });
  const sender = await connected(door.url);
  for (let n = 0; n < 1100; n++) await sender.publishAsync('news', `{"n":${n}}`, { qos: 1 });
  const seen = await there.first('news', 1100);
  expect(seen.map(({ json }) => json.n)).toEqual([...Array(1100).keys()]);
  // The last to leave still has what there is room for.
  const back = await listener(door.url, ['news'], { clientId: 'gone-10', clean: false });
  expect((await back.first('news', 1000)).map(({ json }) => json.n)).toEqual([
    ...Array(1000).keys(),
  ]);
});

test('no more than a hundred sessions are kept for clients that are away', async () => {
  const { door } = await openDoor();
  const visit = async (clientId: string) => {
    const client = mqtt.connect(door.url, { clientId, clean: false, reconnectPeriod: 0 });
    const sessionPresent = await new Promise<boolean>((resolve) => {
      client.once('connect', (connack) => resolve(connack.sessionPresent));
    });
    await client.subscribeAsync('news', { qos: 1 });
    await client.endAsync(true);
    return sessionPresent;
  };
  for (let n = 0; n < 102; n++) expect(await visit(`visitor-${n}`)).toBe(false);
  await eventually(async () => (await visit('visitor-101')) === true);
  expect(await visit('visitor-50')).toBe(true);
  expect(await visit('visitor-0')).toBe(false);
});

test('a photo is not retained, and one that is too large is cut before it is read whole', async () => {
  const { door } = await openDoor({ limits: { upload_bytes: 1024 } });
  const sub = await listener(door.url, ['retagger/box/#']);
  const photo = { qos: 1, retain: true } as const;
  await sub.client.publishAsync('retagger/box/ingest', Buffer.alloc(3_000_000, 'x'), photo);
  await sub.first('/error');
  const [forwarded] = await sub.first('/ingest');
  expect(forwarded?.packet.payload.length).toBeLessThan(400_000);
  await sub.client.publishAsync('retagger/box/ingest', 'kitchen', photo);
  const later = await listener(door.url, ['retagger/box/ingest']);
  await later.client.publishAsync('retagger/box/ingest', 'kitchen', { qos: 1 });
  expect((await later.first('/ingest'))[0]?.packet).toMatchObject({ retain: false });
});

test('the embedded broker keeps no large or endless retained messages', async () => {
  const { door } = await openDoor();
  const sender = await connected(door.url);
  await sender.publishAsync('large', Buffer.alloc(100_000), { qos: 1, retain: true });
  for (let n = 0; n < 1010; n++) {
    await sender.publishAsync(`many/${n}`, '{}', { qos: 0, retain: true });
  }
  await sender.publishAsync('many/0', '{"n":1}', { qos: 1, retain: true });
  const sub = await listener(door.url, ['many/#', 'large']);
  // Our own status is retained as well.
  await eventually(() => sub.seen.length >= 999);
  await sleep(50);
  expect(sub.seen).toHaveLength(999);
  expect(sub.seen.find(({ topic }) => topic === 'many/0')?.json).toEqual({ n: 1 });
});

test.each([true, false])('nor endless subscriptions (clean: %s)', async (clean) => {
  const { door } = await openDoor();
  const options = { clean, clientId: 'greedy', protocolVersion: 4, resubscribe: false } as const;
  const greedy = await connected(door.url, options);
  const topics = Array.from({ length: 250 }, (_, n) => `many/${n}`);
  const refused = async (...names: string[]) => {
    const given = await greedy.subscribeAsync(names).catch(() => null);
    return given === null || given.some(({ qos }) => qos === 128);
  };
  expect(await refused(...topics)).toBe(true);
  expect(await refused('more')).toBe(true);
  // What it has, it may have again; and another in its place.
  expect(await refused('many/0')).toBe(false);
  await greedy.unsubscribeAsync('many/0');
  expect(await refused('more')).toBe(false);
  const heard: string[] = [];
  greedy.on('message', (topic) => heard.push(topic));
  const sender = await connected(door.url);
  for (const topic of [...topics, 'more']) await sender.publishAsync(topic, 'x', { qos: 1 });
  await eventually(() => heard.includes('more'));
  expect(heard).toEqual([...topics.slice(1, 200), 'more']);
});

/** A sender that writes bytes as it likes. */
async function raw(url: string, clientId: string) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  const hello: Packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId };
  socket.write(generate({ ...hello, clean: true, keepalive: 0 }));
  await once(socket, 'data');
  return socket;
}
test('a list of topics that would take a gigabyte ends the connection', async () => {
  const { door } = await openDoor();
  const socket = await raw(door.url, 'greedy');
  const length = [0x80, 0x80, 0x80, 0x01];
  // The beginning of a SUBSCRIBE of 2 MiB.
  socket.write(Buffer.from([0x82, ...length, 0, 1, 0, 1, 0x61, 0]));
  await once(socket, 'close');
});

test('nothing is read before CONNECT, and one as large as can be is', async () => {
  const { door } = await openDoor();
  const stranger = connect(Number(new URL(door.url).port), '127.0.0.1');
  stranger.on('error', () => {});
  stranger.write(generate({ cmd: 'pingreq' }));
  await once(stranger, 'close');
  const text = 'x'.repeat(65_535);
  const will = { topic: 'w'.repeat(65_535), payload: Buffer.from(text) };
  const client = await connected(door.url, {
    ...{ protocolVersion: 4, clientId: text, username: text, password: text, will },
  });
  expect(client.connected).toBe(true);
});

test('a photo byte by byte', async () => {
  const { door, pipeline } = await openDoor();
  const sub = await listener(door.url, ['retagger/box/result']);
  const socket = await raw(door.url, 'slow');
  socket.setNoDelay();
  for (const byte of message('retagger/box/ingest', 'kitchen')) {
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await sub.first('/result');
  await eventually(() => pipeline.length === 0);
});

const message = (topic: string, payload: Buffer | string, qos: 0 | 1 = 0) =>
  generate({ cmd: 'publish', topic, payload, qos, messageId: 1, dup: false, retain: false });

test('connections of senders that go at once are forgotten', async () => {
  const { door, pipeline } = await openDoor();
  await eventually(() => door.health().ok);
  const before = queryObjects(Socket, { format: 'count' });
  for (let n = 0; n < 20; n++) {
    const socket = await raw(door.url, `sender-${n}`);
    socket.end(message('retagger/box/ingest', `kitchen ${n}`));
    await once(socket, 'close');
    // The test's own end is held by the test's clean-up.
  }
  await eventually(() => pipeline.length === 0);
  await eventually(() => queryObjects(Socket, { format: 'count' }) - before <= 25);
});

test.each([
  ['', ''],
  [' after a small photo in the same breath', 'retagger/box/ingest'],
  [' after a message to others', 'elsewhere'],
])('only so many large messages may arrive at once%s', async (_when, first) => {
  const { door } = await openDoor({ limits: { upload_bytes: 1024 * 1024 } });
  await eventually(() => door.health().ok);
  const half = message('retagger/box/ingest', Buffer.alloc(1_600_000)).subarray(0, 1_500_000);
  const sockets: Socket[] = [];
  for (let n = 0; n < 12; n++) {
    const socket = await raw(door.url, `sender-${n}`);
    const small = first === '' ? [] : [message(first, `kitchen ${n}`)];
    socket.write(Buffer.concat([...small, half]));
    sockets.push(socket);
  }
  const open = () => sockets.filter(({ closed, destroyed }) => !closed && !destroyed).length;
  await eventually(() => open() <= 4);
  expect(open()).toBeGreaterThanOrEqual(3);
});

test('too many large messages at once end no connection that sends something small', async () => {
  const { door } = await openDoor({ limits: { upload_bytes: 1024 * 1024 } });
  await eventually(() => door.health().ok);
  const beginning = message('elsewhere', Buffer.alloc(1_600_000)).subarray(0, 1000);
  const [large, small]: [Socket[], Socket[]] = [[], []];
  for (let n = 0; n < 8; n++) {
    large.push(await raw(door.url, `large-${n}`));
    small.push(await raw(door.url, `small-${n}`));
  }
  for (let n = 0; n < 8; n++) {
    large[n]?.write(beginning);
    small[n]?.write(generate({ cmd: 'pingreq' }));
  }
  const closed = (sockets: Socket[]) => sockets.filter((socket) => socket.closed).length;
  await eventually(() => closed(large) >= 4);
  await sleep(100);
  expect(closed(small)).toBe(0);
});

test('a photo that waits for room counts when the next of its sender begins, and goes with its sender', async () => {
  let taken = 0;
  let givenUp = 0;
  const take: EmbeddedBrokerParts['take'] = (_incoming, signal) => {
    taken += 1;
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        givenUp += 1;
        reject(signal.reason);
      });
    });
  };
  const url = await embeddedBroker(take, { limits: { upload_bytes: 1024 ** 2 } });
  const photo = message('retagger/box/ingest', Buffer.alloc(1_600_000), 1);
  const [eager, other] = [await raw(url, 'eager'), await raw(url, 'other')];
  for (let n = 0; n < 3; n++) (await raw(url, `slow-${n}`)).write(photo.subarray(0, 1000));
  eager.write(Buffer.concat([photo, photo.subarray(0, 1000)]));
  await eventually(() => taken === 1);
  other.write(generate({ cmd: 'pingreq' }));
  await Promise.race([once(other, 'data'), once(other, 'close')]);
  expect(other.closed).toBe(false);
  await eventually(() => eager.closed && givenUp === 1);
});

test('a large message that has arrived takes no room from the next', async () => {
  const { door } = await openDoor({ limits: { upload_bytes: 1024 * 1024 } });
  await eventually(() => door.health().ok);
  const large = message('elsewhere', Buffer.alloc(1_400_000), 1);
  const others = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => raw(door.url, `other-${n}`)),
  );
  for (const other of others) {
    other.write(large);
    await once(other, 'data');
  }
  const sub = await listener(door.url, ['retagger/box/result']);
  const photo = Buffer.concat([Buffer.from('hall'), Buffer.alloc(1_000_000, ' ')]);
  // Nor does a photo.
  for (let n = 0; n < 8; n++) {
    await sub.client.publishAsync('retagger/box/ingest', photo, { qos: 1 });
  }
  await sub.first('/result', 8);
  expect(others.filter(({ closed }) => closed)).toEqual([]);
});

test.each(['result', 'error', 'status'])(
  'nobody else speaks on our %s topic, by a will neither',
  async (name) => {
    const { door } = await openDoor();
    const topic = `retagger/box/${name}`;
    const sub = await listener(door.url, ['retagger/box/+']);
    const will = { topic, payload: 'forged', qos: 1 as const, retain: true };
    const forger = await connected(door.url, { reconnectPeriod: 0, will });
    const ended = new Promise<void>((resolve) => forger.once('close', resolve));
    forger.publish(topic, 'forged', { qos: 1, retain: true }, () => {});
    await ended;
    await sub.client.publishAsync('retagger/box/ingest', 'hall', { qos: 1 });
    await sub.first('/result');
    expect(sub.seen.filter(({ packet }) => String(packet.payload) === 'forged')).toEqual([]);
  },
);

test('nobody is said to be gone because the clock was set', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const sub = await listener(await embeddedBroker(), ['#'], {
    ...{ keepalive: 0, will: { topic: 'camera', payload: 'gone', qos: 1, retain: false } },
  });
  let time = Date.now();
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => {
    time += 3_600_000;
    return time;
  });
  vi.advanceTimersByTime(240_000);
  clock.mockRestore();
  await sleep(100);
  expect(sub.on('camera')).toEqual([]);
});

test('a message to a topic that is reserved ends the connection', async () => {
  const { door } = await openDoor();
  const socket = await raw(door.url, 'sender');
  socket.write(message('$SYS/box/uptime', 'x', 1));
  await once(socket, 'close');
});

test('a stranger who speaks no MQTT disturbs nothing', async () => {
  const { door } = await openDoor();
  const port = Number(new URL(door.url).port);
  for (const noise of [Buffer.alloc(70_000, 0xff), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
    const socket = connect(port, '127.0.0.1', () => socket.write(noise)).on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
  }
  const sub = await listener(door.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', 'hall', { qos: 1 });
  await sub.first('/result');
});

test('the embedded broker stops while somebody is connected who says nothing', async () => {
  const { door } = await openDoor();
  const silent = connect(Number(new URL(door.url).port), '127.0.0.1').on('error', () => {});
  await once(silent, 'connect');
  await sleep(50);
  const began = performance.now();
  await door.stop();
  expect(performance.now() - began).toBeLessThan(5000);
  await eventually(() => silent.closed);
});

test('large messages of clients that are gone leave room for others', async () => {
  const { door } = await openDoor({ limits: { upload_bytes: 1024 } });
  for (let n = 0; n < 6; n++) {
    const client = await connected(door.url, { reconnectPeriod: 0 });
    await client.publishAsync('other/topic', Buffer.alloc(320_000), { qos: 1 });
    await client.endAsync(true);
  }
});
