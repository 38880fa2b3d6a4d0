import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { form, HEAD, LABELS, post, raw, serve } from './support.ts';

const RESULT = 'application/vnd.retagger.result+json';

test('answers with exactly the six scores', async () => {
  const { url } = await serve();
  const response = await post(url, form('kitchen'));
  expect(response.status).toBe(200);
  // Some clients compare it with the description's, letter by letter (Go's oapi-codegen).
  expect(response.headers.get('content-type')).toBe('application/json');
  const scores = (await response.json()) as Record<string, number>;
  expect(Object.keys(scores)).toEqual(LABELS);
  const values = Object.values(scores);
  expect(values.every((score) => score >= 0 && score <= 1)).toBe(true);
  expect(values.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 9);
});

test('gives the full result where Accept asks for it', async () => {
  const { url } = await serve();
  const response = await post(url, form('hall', 'image', 'my hall é.jpg'), { accept: RESULT });
  expect(response.headers.get('content-type')).toBe(RESULT);
  expect(await response.json()).toMatchObject({
    source: 'http',
    file: 'my hall é.jpg',
    tag: 'hall',
    model: 'text@1',
    node: 'box',
  });
});

test('leaves nothing in the spool', async () => {
  const { url, dir } = await serve();
  await post(url, form('kitchen'));
  await eventually(async () => (await readdir(join(dir, 'spool'))).length === 0);
});

test('small fields around the image do not matter', async () => {
  const { url } = await serve();
  const data = new FormData();
  data.append('note', 'before');
  data.append('image', new Blob(['hall']), 'a.jpg');
  data.append('note', 'after');
  expect((await post(url, data)).status).toBe(200);
});

test('one connection carries many photos', async () => {
  const { url } = await serve();
  const body = 'kitchen';
  const part = `--b\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\n${body}\r\n--b--\r\n`;
  const first = await raw(url, `${HEAD}content-length: ${part.length}\r\n\r\n${part}`);
  expect([first.status, first.headers.connection]).toEqual([200, 'keep-alive']);
});
