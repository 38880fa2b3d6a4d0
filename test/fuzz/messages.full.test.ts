import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, home } from '../e2e/harness.ts';
import { random } from '../e2e/victims.ts';
import { mosquitto } from '../transport/mqtt/mosquitto.ts';
import { mutate } from './mutate.ts';

/** docs/measurements.md has a run of 20,000 each. */
const COUNT = Number(process.env.FUZZ_COUNT ?? 400);
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

const text = (value: string) => Buffer.from(value, 'latin1');

async function requests(): Promise<Buffer[]> {
  const photo = await readFile('test/fixtures/rooms/hall.jpg');
  const part = (head: string) => [
    text(`--b\r\ncontent-disposition: form-data; ${head}\r\n\r\n`),
    photo,
    text('\r\n--b--\r\n'),
  ];
  const post = (body: Buffer, more = '') =>
    Buffer.concat([
      text(
        `POST /re-tagger HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\n${more}content-length: ${body.length}\r\n\r\n`,
      ),
      body,
    ]);
  const photoBody = Buffer.concat(part('name="image"; filename="a.jpg"'));
  const chunked = Buffer.concat([
    text(
      'POST /re-tagger HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=b\r\ntransfer-encoding: chunked\r\n\r\n',
    ),
    text(`${photoBody.length.toString(16)}\r\n`),
    photoBody,
    text('\r\n0\r\n\r\n'),
  ]);
  const get = (path: string) =>
    text(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\naccept: */*\r\n\r\n`);
  return [
    post(photoBody),
    post(photoBody, 'expect: 100-continue\r\naccept: application/vnd.retagger.result+json\r\n'),
    post(Buffer.concat(part('name="other"'))),
    chunked,
    ...['/', '/healthz', '/readyz', '/metrics', '/openapi.json', '/docs', '/../etc/passwd'].map(
      get,
    ),
  ];
}

/** Sends bytes as they are. @returns the status answered, or how the connection ended. */
function send(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    const end = () => {
      socket.destroy();
      // After "100 Continue" comes the answer that counts.
      resolve([...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].at(-1)?.[1] ?? 'closed');
    };
    socket.setTimeout(20_000, () => {
      socket.destroy();
      resolve('silent');
    });
    socket.on('data', (data) => {
      answer += data.toString('latin1').slice(0, 4000);
    });
    socket.on('error', () => {});
    socket.once('close', end);
  });
}

const stillTags = async (url: string) => {
  const form = new FormData();
  const photo = await readFile('test/fixtures/rooms/kitchen.jpg');
  form.set('image', new Blob([new Uint8Array(photo)]), 'k.jpg');
  return (await fetch(`${url}/re-tagger`, { method: 'POST', body: form })).status;
};

test(`${COUNT} malformed HTTP requests, seed ${SEED}`, async () => {
  const next = random(SEED);
  const box = await home(['--log-level', 'fatal', '--mqtt-enabled', 'false']);
  const program = box.run();
  await eventually(async () => (await fetch(`${box.url}/readyz`).catch(() => null))?.ok === true);
  const good = await requests();
  const answers: Record<string, number> = {};
  let given = 0;
  const lane = async () => {
    while (given++ < COUNT) {
      const status = await send(Number(new URL(box.url).port), mutate(good, next));
      answers[status] = (answers[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect(program.ended, program.output).toBe(false);
  expect(await stillTags(box.url)).toBe(200);
  process.stdout.write(`${JSON.stringify({ seed: SEED, requests: COUNT, answers })}\n`);
  expect(Object.keys(answers).filter((status) => /^(silent|500|502)$/.test(status))).toEqual([]);
}, 7_200_000);

/** Good MQTT packets: CONNECT, SUBSCRIBE, PUBLISH of QoS 0 to 2, PUBREL, PINGREQ, UNSUBSCRIBE. */
function packets(): Buffer[] {
  const connectPacket = Buffer.from('101000044d5154540402003c000466757a7a', 'hex');
  const topic = 'retagger/box/ingest';
  const publish = (qos: number, payload: Buffer) => {
    const head = Buffer.concat([
      Buffer.from([0, topic.length]),
      text(topic),
      qos > 0 ? Buffer.from([0, 7]) : Buffer.alloc(0),
      payload,
    ]);
    const length = [];
    for (let left = head.length; ; ) {
      const digit = left % 128;
      left = Math.floor(left / 128);
      length.push(left > 0 ? digit | 0x80 : digit);
      if (left === 0) break;
    }
    return Buffer.concat([Buffer.from([0x30 | (qos << 1), ...length]), head]);
  };
  const payloads = [
    text('{"id":"a","path":"../../etc/passwd"}'),
    text('{"id":"a","image":"AAAA"}'),
    text(`${'['.repeat(3000)}`),
    text(`{"id":${'9'.repeat(400)},"path":"\\u0000"}`),
    Buffer.alloc(800, 7),
  ];
  return [0, 1, 2]
    .flatMap((qos) => payloads.map((payload) => publish(qos, payload)))
    .map((packet) =>
      Buffer.concat([connectPacket, packet, Buffer.from([0x62, 2, 0, 7, 0xc0, 0, 0xe0, 0])]),
    );
}

test(`${COUNT} malformed MQTT packets to the embedded broker, seed ${SEED}`, async () => {
  const next = random(SEED);
  const box = await home(['--log-level', 'fatal']);
  const program = box.run();
  await eventually(async () => (await fetch(`${box.url}/readyz`).catch(() => null))?.ok === true);
  const good = packets();
  const port = Number(new URL(box.broker).port);
  const ends: Record<string, number> = {};
  let given = 0;
  const lane = async () => {
    while (given++ < COUNT) {
      const end = await send(port, mutate(good, next));
      ends[end] = (ends[end] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  expect(program.ended, program.output).toBe(false);
  expect(await stillTags(box.url)).toBe(200);
  process.stdout.write(`${JSON.stringify({ seed: SEED, packets: COUNT, ends })}\n`);
  expect(ends).toEqual({ closed: COUNT });
}, 7_200_000);

test(`${COUNT} malformed messages through Mosquitto are each answered, seed ${SEED}`, async () => {
  const next = random(SEED);
  const broker = await mosquitto(['allow_anonymous true', 'max_queued_messages 0']);
  const box = await home(['--mqtt-url', broker.url, '--log-level', 'fatal']);
  const program = box.run();
  await eventually(async () => (await fetch(`${box.url}/readyz`).catch(() => null))?.ok === true);
  const client = await connectAsync(broker.url, { protocolVersion: 5 });
  onTestFinished(() => client.endAsync(true));
  const answered = new Set<string>();
  const codes: Record<string, number> = {};
  client.on('message', (topic, payload, packet) => {
    const code = topic.endsWith('/result') ? 'tagged' : JSON.parse(payload.toString()).code;
    if (topic.startsWith('answer')) {
      answered.add(String(packet.properties?.correlationData));
      return;
    }
    codes[code] = (codes[code] ?? 0) + 1;
  });
  await client.subscribeAsync(['answer', 'retagger/box/error', 'retagger/box/result'], { qos: 1 });
  const photo = (await readFile('test/fixtures/rooms/hall.jpg')).toString('base64');
  const good = [
    text(`{"id":"fuzz","image":"${photo}"}`),
    text('{"id":"fuzz","path":"a/b.jpg"}'),
    text('{"id":"fuzz","path":"../../../../etc/passwd"}'),
    text(`{"image":{"a":${'['.repeat(200)}${']'.repeat(200)}}}`),
    await readFile('test/fixtures/rooms/hall.jpg'),
  ];
  for (let n = 0; n < COUNT; n++) {
    await client.publishAsync('retagger/box/ingest', mutate(good, next), {
      qos: 1,
      properties: { responseTopic: 'answer', correlationData: Buffer.from(String(n)) },
    });
    while (n - answered.size > 200) await sleep(5);
  }
  await eventually(() => answered.size === COUNT);
  expect(program.ended, program.output).toBe(false);
  expect(await stillTags(box.url)).toBe(200);
  process.stdout.write(`${JSON.stringify({ seed: SEED, messages: COUNT, codes })}\n`);
  expect(Object.keys(codes).filter((code) => /^(internal|worker)/.test(code))).toEqual([]);
}, 7_200_000);
