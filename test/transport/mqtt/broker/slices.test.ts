import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate, type Packet } from 'mqtt-packet';
import { expect, onTestFinished, test } from 'vitest';
import { embeddedBroker, eventually } from '../support.ts';

/** A broker whose photos are taken when they are let go, and a sender. */
async function slowBroker(): Promise<{
  socket: Socket;
  taken: string[];
  letOneGo: () => void;
  letGo: () => void;
}> {
  const taken: string[] = [];
  let isSlow = true;
  let waiting: (() => void)[] = [];
  const url = await embeddedBroker(({ payload }) => {
    taken.push(payload.toString());
    return isSlow ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
  });
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  const hello: Packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'c' };
  socket.write(generate({ ...hello, clean: true, keepalive: 0 }));
  await once(socket, 'data');
  const letGo = () => {
    isSlow = false;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  return { socket, taken, letOneGo: () => waiting.shift()?.(), letGo };
}

const photo = (payload: string): Buffer =>
  generate({
    cmd: 'publish',
    topic: 'retagger/box/ingest',
    payload,
    qos: 0,
    dup: false,
    retain: false,
  });

test('of thousands of small messages no more than a slice is handled at once, then the rest', async () => {
  const { socket, taken, letOneGo, letGo } = await slowBroker();
  const sent = Array.from({ length: 5000 }, (_, n) => `${n}`);
  socket.write(Buffer.concat(sent.map(photo)));
  await eventually(() => taken.length > 0);
  // More that comes meanwhile changes nothing, nor do some that are done.
  for (let n = 0; n < 200; n++) {
    sent.push(`more ${n}`);
    socket.write(photo(`more ${n}`));
    if (n < 10) letOneGo();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(taken.length).toBeLessThan(200);
  letGo();
  await eventually(() => taken.length === sent.length);
  expect(taken).toEqual(sent);
});

test('large messages between small ones are read on', async () => {
  const { socket, taken, letGo } = await slowBroker();
  letGo();
  const sent = Array.from({ length: 200 }, (_, n) =>
    'x'.repeat((n * 7919) % (n % 9 === 0 ? 90_000 : 3000)),
  );
  socket.write(Buffer.concat(sent.map(photo)));
  await eventually(() => taken.length === sent.length);
  expect(taken).toEqual(sent);
});
