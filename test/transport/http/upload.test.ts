import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { expect, onTestFinished, test } from 'vitest';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { Spool } from '../../../src/daemon/spool/spool.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { eventually, silent } from '../../daemon/support.ts';
import { form, HEAD, post, raw, serve } from './support.ts';

const RESULT = 'application/vnd.retagger.result+json';
const PART = '--b\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n';

/** A client that sends what it is told and hangs up when it is told. */
async function client(url: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

test('a large photo arrives as it was sent', async () => {
  const { url } = await serve();
  const bytes = Buffer.concat([Buffer.from('hall '), randomBytes(9_000_000)]);
  const response = await post(url, form(new Uint8Array(bytes)), { accept: RESULT });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  expect(await response.json()).toMatchObject({ sha256 });
});

/** The chunks of a chunked body, each a byte. */
const crumbs = (text: string) => text.replace(/./gs, '1\r\n$&\r\n');

test('a photo that comes in chunks of one byte arrives as it was sent', async () => {
  const { url } = await serve();
  const body = `${PART}hall ${'x'.repeat(100_000)}\r\n--b--\r\n`;
  const head = `${HEAD}accept: ${RESULT}\r\ntransfer-encoding: chunked\r\n\r\n`;
  const answer = await raw(url, `${head}${crumbs(body)}0\r\n\r\n`);
  const photo = `hall ${'x'.repeat(100_000)}`;
  const sha256 = createHash('sha256').update(photo).digest('hex');
  expect(JSON.parse(answer.body)).toMatchObject({ tag: 'hall', sha256 });
});

test('and takes no more memory than others while the disk is slow', async () => {
  const { url, parts } = await serve();
  let fail = (_error: Error) => {};
  let isAsked = false;
  parts.pipeline.accept = () =>
    new Promise((_, reject) => {
      fail = reject;
      isAsked = true;
    });
  const socket = await client(url);
  const before = queryObjects(Buffer, { format: 'count' });
  socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n${crumbs(PART)}`);
  socket.write(crumbs('x'.repeat(400_000)));
  await eventually(() => isAsked);
  await sleep(200);
  expect(queryObjects(Buffer, { format: 'count' }) - before).toBeLessThan(15_000);
  fail(new RetaggerError('busy'));
});

test.each(['image/jpeg', 'Image/PNG', 'application/octet-stream'])(
  'bytes without a name are a photo where their type says so: %s',
  async (type) => {
    // As .NET's ByteArrayContent sends it.
    const body = `--b\r\ncontent-disposition: form-data; name="image"\r\ncontent-type: ${type}\r\n\r\nkitchen\r\n--b--\r\n`;
    const { url } = await serve();
    const headers = { 'content-type': 'multipart/form-data; boundary=b', accept: RESULT };
    const answer = await fetch(`${url}/re-tagger`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ tag: 'kitchen', file: null });
  },
);

test('what Python requests sends', async () => {
  // As requests 2.34 writes it: no Content-Type in the part, a boundary of hexadecimal digits.
  const boundary = '8d9b1c62a0d7ea4fb0b1a2f0b5a1c9de';
  const body = `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="room.jpg"\r\n\r\nkitchen\r\n--${boundary}--\r\n`;
  const { url } = await serve();
  const answer = await raw(
    url,
    `POST /re-tagger HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nUser-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: ${body.length}\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\n\r\n${body}`,
  );
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toMatchObject({ kitchen: 0.9 });
});

test('a file name is told without its control characters, cut, and whole UTF-8', async () => {
  const { url } = await serve();
  const name = `\x1b[31ma\x7f${'x'.repeat(249)}${'📷'.repeat(9)}`;
  const body = `${PART.replace('a.jpg', name)}hall\r\n--b--\r\n`;
  const headers = { 'content-type': 'multipart/form-data; boundary=b', accept: RESULT };
  const answer = await fetch(`${url}/re-tagger`, { method: 'POST', headers, body });
  expect(await answer.json()).toMatchObject({ file: `[31ma${'x'.repeat(249)}\ufffd` });
});

test.each([
  // As .NET writes it; this one's base64 has a slash.
  ['=?utf-8?B?0LrRg9GF0L3Rjz8/Pz8uanBn?=', 'кухня????.jpg'],
  // As Spring and JavaMail write it.
  ['=?UTF-8?Q?k=C3=BCche_1=3F.jpg?=', 'küche 1?.jpg'],
  ['=?UTF-8?Q?50=25_%41.jpg?=', '50% %41.jpg'],
  ['/home/me/room.jpg', 'room.jpg'],
  ['C:/photos\\\\room.jpg', 'room.jpg'],
  ['photos/..', null],
  ['.', null],
])('the name %s is taken for %s', async (given, file) => {
  const { url } = await serve();
  const star = "; filename*=utf-8''room.jpg";
  const body = `--b\r\ncontent-disposition: form-data; name="image"; filename="${given}"${star}\r\n\r\nhall\r\n--b--\r\n`;
  const headers = { 'content-type': 'multipart/form-data; boundary=b', accept: RESULT };
  const answer = await fetch(`${url}/re-tagger`, { method: 'POST', headers, body });
  expect(await answer.json()).toMatchObject({ tag: 'hall', file });
});

test('a file in a part without a name is a file that is missing', async () => {
  const { url } = await serve();
  const body = '--b\r\ncontent-disposition: form-data; filename="a.jpg"\r\n\r\nhall\r\n--b--\r\n';
  const answer = await raw(url, `${HEAD}content-length: ${body.length}\r\n\r\n${body}`);
  expect(answer.status).toBe(400);
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'image_missing' });
});

test('a client that hangs up leaves nothing behind', async () => {
  const { url, dir, parts, tagger } = await serve();
  const spool = join(dir, 'spool');
  const socket = await client(url);
  socket.write(`${HEAD}content-length: 1000000\r\n\r\n${PART}kitchen`);
  await eventually(async () => (await readdir(spool)).length === 1);
  socket.destroy();
  await eventually(async () => (await readdir(spool)).length === 0);
  await eventually(() => parts.pipeline.length === 0);
  expect(tagger.seen).toEqual([]);
});

test('a stalled upload is answered with request_timeout', async () => {
  const { url, dir } = await serve({}, { stall: 50 });
  for (const sent of ['', '--b\r\ncontent-dis', `${PART}kitchen`, `${PART}kitchen\r\n--b`]) {
    const answer = await raw(url, `${HEAD}content-length: 1000\r\n\r\n${sent}`);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'request_timeout' });
  }
  await eventually(async () => (await readdir(join(dir, 'spool'))).length === 0);
});

test('headers and requests that dribble are cut off', async () => {
  const { url } = await serve({}, { headers: 50, request: 100, check: 20 });
  const headers = await raw(url, 'POST /re-tagger HTTP/1.1\r\nhost: localhost\r\n');
  expect(JSON.parse(headers.body)).toMatchObject({ code: 'request_timeout' });
  const request = await raw(url, `${HEAD}content-length: 1000\r\n\r\n${PART}kit`);
  expect(JSON.parse(request.body)).toMatchObject({ code: 'request_timeout' });
});

test('a request that is too slow gets one answer', async () => {
  const { url } = await serve({}, { stall: 20, request: 60, check: 10, headers: 60 });
  const socket = await client(url);
  socket.write(`${HEAD}content-length: 1000\r\n\r\n${PART}kit`);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  await new Promise((resolve) => socket.once('close', resolve));
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test('an upload that is cut off keeps no place and no file', async () => {
  const { url, dir, parts } = await serve({}, { request: 40, check: 60_000 });
  for (const sent of [`${PART}kitchen`, '--b\r\n']) {
    const answer = await raw(url, `${HEAD}content-length: 1000\r\n\r\n${sent}`);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'request_timeout' });
  }
  await eventually(async () => (await readdir(join(dir, 'spool'))).length === 0);
  await eventually(() => parts.pipeline.length === 0);
});

test('a caller does not wait for ever, and then its photo outlives the daemon', async () => {
  const { url, dir, tagger, parts } = await serve({}, { answer: 20 });
  tagger.hold();
  const response = await post(url, form('kitchen'));
  // No Retry-After: whoever sends it again has it tagged twice.
  expect(response.headers.has('retry-after')).toBe(false);
  expect([response.status, await response.json()]).toMatchObject([504, { code: 'still_queued' }]);
  expect(parts.pipeline.length).toBe(1);
  const next = new Spool(new HomeDisk(dir), 1000, silent);
  expect((await next.open()).entries).toMatchObject([{ source: 'http', size: 7, durable: true }]);
  await parts.pipeline.stop(0);
  expect(await readdir(join(dir, 'spool'))).toHaveLength(2);
  tagger.letGo();
});

test('nor is it told to send its photo again where the disk fails at that moment', async () => {
  const { url, tagger, parts } = await serve({}, { answer: 20 });
  tagger.hold();
  const accept = parts.pipeline.accept.bind(parts.pipeline);
  parts.pipeline.accept = async (photo) => ({
    ...(await accept(photo)),
    keep: () => Promise.reject(new RetaggerError('busy')),
  });
  const response = await post(url, form('kitchen'));
  expect([response.status, await response.json()]).toMatchObject([504, { code: 'still_queued' }]);
});

test('what it waits for may take longer than an upload may stall', async () => {
  const { url, tagger } = await serve({}, { stall: 30 });
  tagger.hold();
  const answer = post(url, form('kitchen'));
  await eventually(() => tagger.seen.length === 1);
  await sleep(120);
  tagger.letGo();
  expect((await answer).status).toBe(200);
});

test.each([
  ['image', 'image_too_large'],
  ['file', 'image_missing'],
])('after a refused upload (%s) the connection serves the next request', async (field, code) => {
  const { url } = await serve({ limits: { upload_bytes: 100_000 } });
  const socket = await client(url);
  const body = `${PART.replace('image', field)}${'x'.repeat(3_000_000)}\r\n--b--\r\n`;
  socket.write(`${HEAD}content-length: ${body.length}\r\n\r\n${body}`);
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  let answers = '';
  socket.on('data', (chunk) => {
    answers += chunk;
  });
  await eventually(() => answers.includes('"status":"ok"'));
  expect(answers).toContain(code);
});

test('nor is it ended later, and what comes then and is no HTTP is told so', async () => {
  const { url } = await serve({}, { linger: 1000 });
  const socket = await client(url);
  let answers = '';
  socket.on('data', (chunk) => {
    answers += chunk;
  });
  socket.write('POST /nix HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\n');
  await eventually(() => answers.includes('not_found'));
  socket.write('body');
  await sleep(1300);
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await eventually(() => answers.includes('"status":"ok"'));
  socket.write('hello\r\n\r\n');
  await eventually(() => answers.includes('request_invalid'));
});

test('a refused upload that offers HTTP/2 is the last on its connection', async () => {
  const { url } = await serve();
  // As Java's HttpClient does with every request.
  const offer = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAE\r\n';
  const elsewhere = `${PART.replace('image', 'file')}hall`;
  const answer = await raw(url, `${HEAD}${offer}content-length: 3000000\r\n\r\n${elsewhere}`);
  expect([answer.status, answer.headers.connection]).toEqual([400, 'close']);
  const body = `${PART}hall\r\n--b--\r\n`;
  const taken = await raw(url, `${HEAD}${offer}content-length: ${body.length}\r\n\r\n${body}`);
  expect([taken.status, taken.headers.connection]).toEqual([200, 'keep-alive']);
});

test.each([
  ['/nix HTTP/1.0', 'not_found'],
  ['/nix HTTP/1.1\r\nconnection: close', 'not_found'],
  ['/%zz HTTP/1.1\r\nconnection: close', 'request_invalid'],
])('a refusal reaches a client that sends all before it reads, with %j', async (request, code) => {
  const { url } = await serve();
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const errors: Error[] = [];
  let answer = '';
  socket
    .on('error', (error) => errors.push(error))
    .on('data', (chunk) => {
      answer += chunk;
    });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`POST ${request}\r\nhost: localhost\r\ncontent-length: 3000000\r\n\r\n`);
  // The rest comes after the answer, as from a client on a slow line.
  await eventually(() => answer.includes(code));
  for (let part = 0; part < 3; part++) {
    socket.write(Buffer.alloc(1_000_000));
    await sleep(20);
  }
  socket.end();
  await closed;
  expect(errors).toEqual([]);
});

test.each([
  ['in its first packet', 1024, 4096],
  ['later', 2_000_000, 2_500_000],
])(
  'an upload over the limit %s is refused at once, and read on for a while',
  async (_when, limit, sent) => {
    const { url } = await serve({ limits: { upload_bytes: limit } }, { linger: 50 });
    const socket = await client(url);
    socket.write(`${HEAD}content-length: 900000000\r\n\r\n${PART}${'x'.repeat(sent)}`);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answer).toContain('image_too_large');
  },
);
