import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ERRORS } from '../../../src/errors.ts';
import { form, post, raw, serve, TOKEN } from './support.ts';

const field = (name: string, disposition = '; filename="a.jpg"', content = 'hall') =>
  `--b\r\ncontent-disposition: form-data; name="${name}"${disposition}\r\n\r\n${content}\r\n`;
const MULTIPART = 'multipart/form-data; boundary=b';

/** Each with what it sends and the code it gets. */
const CASES: readonly [title: string, type: string, body: string, code: keyof typeof ERRORS][] = [
  ['no body', MULTIPART, '', 'image_missing'],
  ['a form without parts', MULTIPART, '--b--\r\n', 'image_missing'],
  ['the file in another field', MULTIPART, `${field('file')}--b--\r\n`, 'image_missing'],
  ['text instead of a file', MULTIPART, `${field('image', '')}--b--\r\n`, 'image_missing'],
  ['JSON', 'application/json', '{"image": "aGFsbA=="}', 'image_missing'],
  ['the bytes alone', 'image/jpeg', 'hall', 'image_missing'],
  ['a URL-encoded form', 'application/x-www-form-urlencoded', 'image=hall', 'image_missing'],
  ['no boundary', 'multipart/form-data', field('image'), 'request_invalid'],
  ['no last boundary', MULTIPART, field('image'), 'request_invalid'],
  ['an end within the file', MULTIPART, field('image').slice(0, -4), 'request_invalid'],
  ['two photos', MULTIPART, `${field('image')}${field('image')}--b--\r\n`, 'request_invalid'],
  ['two files', MULTIPART, `${field('image')}${field('other')}--b--\r\n`, 'request_invalid'],
  ['many fields', MULTIPART, `${field('a', '').repeat(99)}--b--\r\n`, 'request_invalid'],
  ['a field named toString', MULTIPART, `${field('toString')}--b--\r\n`, 'request_invalid'],
  ['an unsupported image', MULTIPART, form1('image_unsupported'), 'image_unsupported'],
  ['a damaged image', MULTIPART, form1('image_corrupt'), 'image_corrupt'],
  ['too many pixels', MULTIPART, form1('image_too_large'), 'image_too_large'],
  ['too many bytes', MULTIPART, form1('x'.repeat(5000)), 'image_too_large'],
  ['a crash of the worker', MULTIPART, form1('worker_crashed'), 'worker_crashed'],
  ['a hanging worker', MULTIPART, form1('worker_timeout'), 'worker_timeout'],
  ['a fault of ours', MULTIPART, form1('internal'), 'internal'],
];

function form1(content: string): string {
  return `${field('image', '; filename="a.jpg"', content)}--b--\r\n`;
}

test.each(CASES)('%s', async (_title, type, body, code) => {
  const { url } = await serve({ limits: { upload_bytes: 4096 } });
  const response = await post(url, body, { 'content-type': type });
  expect(response.status).toBe(ERRORS[code].status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toEqual({
    type: `urn:retagger:error:${code}`,
    title: ERRORS[code].message,
    status: ERRORS[code].status,
    code,
    detail: expect.stringMatching(/./),
  });
  // The next good photo is tagged.
  expect((await post(url, form('kitchen'))).status).toBe(200);
});

test('bytes without a name or a type are told what they lack', async () => {
  const { url } = await serve();
  const body = `${field('image', '')}--b--\r\n`;
  const response = await post(url, body, { 'content-type': MULTIPART });
  expect(await response.json()).toMatchObject({
    detail: expect.stringMatching(/a file name or .* Content-Type/),
  });
});

test('of a fault of ours nothing inner is told', async () => {
  const { url, parts } = await serve();
  parts.pipeline.accept = () => Promise.reject(new Error('EIO: /secret/place'));
  const response = await post(url, form('hall'));
  expect(response.status).toBe(500);
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ code: 'internal' });
  expect(text).not.toContain('secret');
});

test('a photo of just the allowed size is taken', async () => {
  const { url } = await serve({ limits: { upload_bytes: 4096 } });
  expect((await post(url, form('hall '.padEnd(4096, 'x')))).status).toBe(200);
  expect((await post(url, form('hall '.padEnd(4097, 'x')))).status).toBe(413);
});

test('there is no such route', async () => {
  const { url } = await serve();
  for (const [path, method] of [
    ['/nowhere', 'GET'],
    ['/nowhere', 'POST'],
    // What the router would take for patterns, safe or not.
    ['/:a(', 'GET'],
    ['/:a([)', 'GET'],
    ['/:a((a+)+)', 'GET'],
    ['/docs/*', 'POST'],
  ]) {
    const response = await fetch(`${url}${path}`, { method: method ?? '' });
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'not_found' }]);
  }
});

test('another method is told which ones there are', async () => {
  const { url } = await serve();
  for (const [path, method, allow] of [
    ['/re-tagger', 'GET', 'POST'],
    ['/re-tagger?a=1', 'DELETE', 'POST'],
    ['/results', 'POST', 'GET, HEAD'],
    ['/results', 'OPTIONS', 'GET, HEAD'],
  ]) {
    const response = await fetch(`${url}${path}`, { method: method ?? '' });
    expect([response.status, await response.json()]).toMatchObject([
      405,
      { code: 'method_not_allowed' },
    ]);
    expect(response.headers.get('allow')).toBe(allow);
  }
});

test('headers or a URL that are too large', async () => {
  const { url } = await serve();
  const long = 'a'.repeat(20_000);
  for (const head of [`/results HTTP/1.1\r\nx-a: ${long}`, `/${long} HTTP/1.1`]) {
    const answer = await raw(url, `GET ${head}\r\nhost: localhost\r\n\r\n`);
    expect(answer.status).toBe(431);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'headers_too_large' });
  }
});

test('a compressed body', async () => {
  const { url } = await serve();
  const response = await post(url, form('hall'), { 'content-encoding': 'gzip' });
  expect(response.status).toBe(415);
  const problem = (await response.json()) as { code: string; detail: string };
  expect(problem.code).toBe('image_unsupported');
  expect(problem.detail).toContain('"gzip"');
  expect((await post(url, form('hall'), { 'content-encoding': 'identity' })).status).toBe(200);
});

test('a client that ends its side after the request gets its answer', async () => {
  const { url } = await serve();
  const body = form1('hall');
  const head = `host: localhost\r\ncontent-type: ${MULTIPART}\r\ncontent-length: ${body.length}`;
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.end(`POST /re-tagger HTTP/1.1\r\n${head}\r\n\r\n${body}`);
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 /);
  socket.destroy();
});

test('not even HTTP', async () => {
  const { url } = await serve();
  for (const request of [
    'hello\r\n\r\n',
    'GET /%zz HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'GET /healthz HTTP/1.1\r\n\r\n',
  ]) {
    const answer = await raw(url, request);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'request_invalid' });
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': expect.stringMatching(
        /default-src 'none'.*frame-ancestors 'none'/,
      ),
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
  }
});

test('what follows a whole request and is no HTTP takes no answer from it', async () => {
  const { url } = await serve();
  const body = form1('hall');
  const head = `host: localhost\r\ncontent-type: ${MULTIPART}\r\ncontent-length: ${body.length}`;
  const answer = await raw(url, `POST /re-tagger HTTP/1.1\r\n${head}\r\n\r\n${body}hello\r\n\r\n`);
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.body)).toHaveProperty('hall');
  // The connection is of no more use.
  expect(answer.headers.connection).toBe('close');
});

test('an unknown expectation is ignored', async () => {
  const { url } = await serve();
  const answer = await raw(url, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nexpect: cake\r\n\r\n');
  expect(answer.status).toBe(200);
});

test('an unauthorised upload still sees the answer', async () => {
  const { url } = await serve({ http: { token: TOKEN } });
  const response = await post(url, form(new Uint8Array(20_000_000)));
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
  expect(await response.json()).toMatchObject({ code: 'unauthorized' });
});
