import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { mosquitto, withoutMqtt5 } from './mosquitto.ts';
import { connected, listener, openDoor } from './support.ts';

const MiB = 1024 * 1024;

test.each([5, 4] as const)(
  'a message of 255 MiB is refused with its code, in little memory (MQTT %i)',
  async (version) => {
    const broker = await mosquitto();
    const url = version === 5 ? broker.url : await withoutMqtt5(broker.port);
    const box = await openDoor({ mqtt: { url }, limits: { upload_bytes: MiB } });
    await eventually(() => box.door.health().ok);
    const sub = await listener(broker.url, ['retagger/box/error', 'retagger/box/result']);
    const file = join(broker.dir, 'huge');
    await writeFile(file, '');
    await truncate(file, 255 * MiB);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }, 10);
    await send(broker.port, ['-f', file]);
    const [error] = await sub.first('/error');
    clearInterval(watch);
    expect(error?.json).toMatchObject({ code: 'image_too_large' });
    await send(broker.port, ['-m', 'kitchen']);
    await sub.first('/result');
    expect(most - before).toBeLessThan(64 * MiB);
  },
);

test('properties without end are dropped, the photo is tagged', async () => {
  const broker = await mosquitto();
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result', 'answers']);
  const sender = await connected(broker.url, { protocolVersion: 5 });
  const userProperties = { p: Array.from({ length: 200_000 }, (_, n) => `value ${n}`) };
  await sender.publishAsync('retagger/box/ingest', `kitchen ${'x'.repeat(200_000)}`, {
    qos: 1,
    properties: { userProperties, responseTopic: 'answers' },
  });
  expect((await sub.first('/result'))[0]?.json).toMatchObject({ tag: 'kitchen' });
  await eventually(() => box.outbox.length === 0);
  expect(sub.on('answers')).toEqual([]);
  expect(box.door.health().ok).toBe(true);
});

test('a photo that takes longer than the keepalive to arrive', async () => {
  const broker = await mosquitto();
  const slow = await slowly(broker.port, 400_000);
  const box = await openDoor({ mqtt: { url: slow } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  // 14 MB at 400 kB/s: 35 seconds, with a keepalive of 15.
  const photo = Buffer.concat([Buffer.from('kitchen '), Buffer.alloc(14_000_000, 'x')]);
  await sub.client.publishAsync('retagger/box/ingest', photo, { qos: 1 });
  await sub.first('/result');
  expect(await broker.connects('retagger-box-')).toBe(2);
  expect(box.tagger.seen).toHaveLength(1);
}, 150_000);

test('a wait for room that is longer than the keepalive', async () => {
  const broker = await mosquitto();
  const box = await openDoor({ mqtt: { url: broker.url }, limits: { queue: 2 } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  box.tagger.hold();
  for (let n = 0; n < 5; n++) {
    // Large enough that the broker's answers to pings wait behind them.
    const photo = `kitchen ${n} ${'x'.repeat(1_000_000)}`;
    await sub.client.publishAsync('retagger/box/ingest', photo, { qos: 1 });
  }
  await sleep(35_000);
  box.tagger.letGo();
  await sub.first('/result', 5);
  expect(await broker.connects('retagger-box-')).toBe(2);
  expect(box.tagger.seen).toHaveLength(5);
}, 120_000);

/** With Mosquitto's own client, in a process of its own. */
async function send(port: number, args: string[]): Promise<void> {
  const address = ['-h', '127.0.0.1', '-p', `${port}`, '-t', 'retagger/box/ingest', '-q', '1'];
  await promisify(execFile)('mosquitto_pub', [...address, ...args]);
}

/** A line to the broker that carries so many bytes a second down to the client. */
async function slowly(port: number, rate: number): Promise<string> {
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    const end = () => {
      socket.destroy();
      upstream.destroy();
    };
    for (const side of [socket, upstream]) side.on('error', end).on('close', end);
    onTestFinished(end);
    socket.pipe(upstream);
    upstream.on('data', (chunk) => {
      upstream.pause();
      socket.write(chunk);
      setTimeout(() => upstream.resume(), (chunk.length / rate) * 1000);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
