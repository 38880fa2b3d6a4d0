import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { form, HEAD, post, raw, serve } from './support.ts';

/** A door whose queue of two is full. */
async function full() {
  const running = await serve({ limits: { queue: 2 } });
  running.tagger.hold();
  const waiting = [post(running.url, form('kitchen')), post(running.url, form('hall'))];
  await eventually(() => running.parts.pipeline.length === 2);
  return { ...running, waiting };
}

test('a full queue is answered with busy and Retry-After', async () => {
  const { url, tagger, waiting } = await full();
  const response = await post(url, form('kitchen'));
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await response.json()).toMatchObject({ code: 'busy' });
  tagger.letGo();
  for (const answer of waiting) expect((await answer).status).toBe(200);
  expect((await post(url, form('kitchen'))).status).toBe(200);
});

test('busy is said before the body is read, and a sender of much sees it', async () => {
  const { url } = await full();
  const early = await raw(url, `${HEAD}content-length: 1000000\r\n\r\n`);
  expect(early.status).toBe(503);
  const response = await post(url, form(new Uint8Array(20_000_000)));
  expect(response.status).toBe(503);
});

test('slow senders leave places in the queue for others', async () => {
  const { url, parts } = await serve();
  const part = '--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nk';
  const { hostname, port } = new URL(url);
  const slow = Array.from({ length: 32 }, () => connect(Number(port), hostname));
  for (const socket of slow) socket.write(`${HEAD}content-length: 1000\r\n\r\n${part}`);
  await eventually(() => parts.pipeline.length === 32);
  expect(await (await post(url, form('kitchen'))).json()).toMatchObject({ code: 'busy' });
  expect(parts.pipeline.refusal('folder')).toBe(null);
  for (const socket of slow) socket.destroy();
  await eventually(async () => (await post(url, form('kitchen'))).status === 200);
});

test('a client that asks first is spared the upload', async () => {
  const { url, tagger } = await full();
  const head = `${HEAD}expect: 100-continue\r\n`;
  const refused = await raw(url, `${head}content-length: 1000000\r\n\r\n`);
  expect([refused.status, refused.headers.connection]).toEqual([503, 'close']);
  tagger.letGo();
  await eventually(async () => (await post(url, form('hall'))).status === 200);
  const invited = await raw(url, `${head}content-length: 1000000\r\n\r\n`);
  expect(invited.status).toBe(100);
});

test('more connections than are served are closed at once, and a place is free when one leaves', async () => {
  const { url } = await serve();
  const { hostname, port } = new URL(url);
  let closed = 0;
  const sockets = Array.from({ length: 520 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {}).once('close', () => closed++);
    return socket;
  });
  await eventually(() => closed === 8);
  for (const socket of sockets) socket.destroy();
  const request = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const again = () => raw(url, request).then(({ status }) => status, String);
  await eventually(async () => (await again()) === 200);
});

test('while the daemon stops, callers are told so', async () => {
  const { url, parts } = await serve();
  parts.pipeline.refuse();
  const response = await post(url, form('kitchen'));
  expect(response.headers.has('retry-after')).toBe(true);
  expect(await response.json()).toMatchObject({ status: 503, code: 'stopping' });
});

test('the door closes in the middle of an upload', async () => {
  const { url, door, dir } = await serve();
  const part = '--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nkitchen';
  const answer = raw(url, `${HEAD}content-length: 1000\r\n\r\n${part}`);
  await eventually(async () => (await readdir(join(dir, 'spool'))).length === 1);
  await door.stop();
  expect(JSON.parse((await answer).body)).toMatchObject({ code: 'stopping' });
  await eventually(async () => (await readdir(join(dir, 'spool'))).length === 0);
});

test('the door closes before a client that neither goes on nor leaves', async () => {
  const { url, door } = await serve();
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  onTestFinished(() => void socket.destroy());
  socket.write('POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nx');
  // It has its answer, and the rest of what it sends is waited for.
  await once(socket, 'data');
  const began = performance.now();
  await door.stop();
  expect(performance.now() - began).toBeLessThan(10_000);
});

test('the door closes with callers waiting', async () => {
  const { door, waiting, parts } = await full();
  await parts.pipeline.stop(0);
  await door.stop();
  for (const answer of waiting) {
    expect(await (await answer).json()).toMatchObject({ code: 'stopping' });
  }
});
