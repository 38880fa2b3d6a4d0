import { expect, test } from 'vitest';
import { readPayload } from '../../../../src/transport/mqtt/ingest/payload.ts';

const LIMIT = 100_000;
const read = (payload: string | Buffer) => readPayload(Buffer.from(payload), LIMIT);
const base64 = (size: number) => Buffer.alloc(size, 'photo').toString('base64');

test('bytes that are no JSON are the photo', async () => {
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);
  expect(await read(jpeg)).toEqual({ id: null, bytes: jpeg });
});

test.each([
  ['short', 5],
  ['long', 90_000],
  ['as long as allowed', LIMIT],
])('JSON with a photo in base64: %s', async (_name, size) => {
  const ask = await read(JSON.stringify({ id: 'a-1', image: base64(size) }));
  expect(ask).toEqual({ id: 'a-1', bytes: Buffer.alloc(size, 'photo') });
});

test('white space, a byte order mark, and slashes written as \\/', async () => {
  const image = Buffer.alloc(9000, 0xff).toString('base64').replaceAll('/', '\\/');
  const ask = await read(`\uFEFF \r\n\t{ "image" : "${image}" }\n`);
  expect(ask).toEqual({ id: null, bytes: Buffer.alloc(9000, 0xff) });
});

test.each([3, 9000, 3_000_000])('base64 of %i bytes as encoders write it', async (size) => {
  // Bytes whose base64 is full of "+" and "/".
  const photo = Buffer.alloc(size, Buffer.from('fbefbeffffff', 'hex'));
  const base64 = photo.toString('base64');
  const lines = base64.replace(/.{76}/g, '$&\r\n');
  for (const written of [
    JSON.stringify(`data:image/jpeg;base64,${base64}`),
    JSON.stringify(lines),
    JSON.stringify(lines).replaceAll('+', '\\u002B').replaceAll('/', '\\/'),
    JSON.stringify(base64.replace(/.{64}/g, '$& ')),
  ]) {
    const ask = await readPayload(Buffer.from(`{"image":${written}}`), 6 * size);
    expect('bytes' in ask && photo.equals(ask.bytes)).toBe(true);
  }
});

test('JSON with a path', async () => {
  expect(await read('{"path":"a/é.jpg"}')).toEqual({ id: null, path: 'a/é.jpg' });
});

test('a path counts as it is, not as it is written', async () => {
  const written = (characters: number) => `{"id":"p","path":"${'\\u0436'.repeat(characters)}"}`;
  expect(await read(written(4096))).toEqual({ id: 'p', path: 'ж'.repeat(4096) });
  for (const long of [
    written(4097),
    `{"id":"p","path":"${'a'.repeat(4097)}"}`,
    `{"id":"p","path":"${'\\q'.repeat(3000)}"}`,
  ]) {
    const ask = await read(long);
    expect(ask).toMatchObject({ id: 'p', error: { code: 'request_invalid' } });
  }
});

test.each([
  ['nothing', ''],
  ['an open brace', '{'],
  ['half a message', '{"image": "abcd'],
  ['no JSON', '{image: 1}'],
  ['not UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
  ['an empty object', '{}'],
  ['only an id', '{"id":"x"}'],
  ['image and path', '{"image":"QUJD","path":"a.jpg"}'],
  ['an unknown key', '{"image":"QUJD","url":"http://x/"}'],
  ['an inherited name', '{"__proto__":{"image":"QUJD"}}'],
  ['image is a number', '{"image":1}'],
  ['image is null', '{"image":null}'],
  ['path is a list', '{"path":["a"]}'],
  ['an empty path', '{"path":""}'],
  ['an endless path', `{"path":"${'a/'.repeat(3000)}"}`],
  ['a path that is as long as a photo', `{"path":"${'a'.repeat(70_000)}"}`],
  ['an id that is a number', '{"id":7,"image":"QUJD"}'],
  ['an empty id', '{"id":"","image":"QUJD"}'],
  ['an id with a space', '{"id":"a b","image":"QUJD"}'],
  ['an id with a line break', '{"id":"a\\nb","image":"QUJD"}'],
  ['an id in another script', '{"id":"фото","image":"QUJD"}'],
  ['an id of 129 characters', `{"id":"${'i'.repeat(129)}","image":"QUJD"}`],
  ['an id as long as a photo', `{"id":"${'i'.repeat(70_000)}","image":"QUJD"}`],
  ['image is no base64', '{"image":"%%%"}'],
  ['a data URL without base64', '{"image":"data:text/plain,QUJD"}'],
  ['a letter that is no base64', '{"image":"QUJ\\u0144"}'],
  ['no base64 in a long image', `{"image":"${base64(9000)}*"}`],
  ['a bad escape in a long image', `{"image":"${base64(9000)}\\x"}`],
  ['an empty image', '{"image":""}'],
  ['the mark of a taken out string', '{"image":"\\u0000taken out"}'],
  ['deep brackets', `{"a":${'['.repeat(60_000)}`],
  ['a bomb of brackets', `{"a":${'['.repeat(120_000)}`],
])('%s: request_invalid', async (_name, payload) => {
  const ask = await read(payload);
  expect('error' in ask && ask.error.code).toBe('request_invalid');
});

test.each([
  ['bytes', Buffer.alloc(LIMIT + 1, 0xff)],
  ['an image in base64', JSON.stringify({ image: base64(LIMIT + 1) })],
  ['JSON', `{"image":"${'A'.repeat(300_000)}"}`],
])('%s over the limit: image_too_large', async (_name, payload) => {
  const ask = await read(payload);
  expect('error' in ask && ask.error.code).toBe('image_too_large');
});

test('the error has the id of a sender who made another mistake', async () => {
  const ask = await read('{"id":"mine","image":"%"}');
  expect(ask).toMatchObject({
    id: 'mine',
    error: { message: '"image" is not base64.' },
  });
});

test('foreign text in the answer is short and without control characters', async () => {
  const ask = await read(JSON.stringify({ image: 'QUJD', ['\u0007\n'.repeat(500)]: 1 }));
  expect('error' in ask && ask.error.message).toMatch(/^" {100}" is not a key of the message/);
});
