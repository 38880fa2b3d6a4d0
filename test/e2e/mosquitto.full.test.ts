import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Failure, Result } from '../../src/result.ts';
import { mosquitto } from '../transport/mqtt/mosquitto.ts';
import { eventually, home } from './harness.ts';

const PHOTOS = '../shared/photos/test';
const REFUSED = {
  'bomb.png': ['image_too_large', 413],
  'drawing.svg': ['image_unsupported', 415],
  'empty.jpg': ['image_corrupt', 422],
  'text.jpg': ['image_unsupported', 415],
  'truncated.jpg': ['image_corrupt', 422],
} as const;

const refused = (name: string) => `test/fixtures/refused/${name}`;
const hall = 'test/fixtures/rooms/hall.jpg';

/** The real program and a real broker, with a subscriber that keeps what it hears. */
async function setUp() {
  const broker = await mosquitto();
  const box = await home(['--mqtt-url', broker.url]);
  const program = box.run();
  await program.ready();
  const client = await connectAsync(broker.url, { protocolVersion: 5 });
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  const errors: Failure[] = [];
  const answers: Result[] = [];
  client.on('message', (topic, payload) => {
    const message = JSON.parse(payload.toString());
    if (topic.endsWith('/result')) results.push(message);
    else if (topic.endsWith('/error')) errors.push(message);
    else answers.push(message);
  });
  const topics = ['retagger/box/result', 'retagger/box/error', 'answers/#'];
  await client.subscribeAsync(topics, { qos: 1 });
  return { box, client, results, errors, answers };
}

test('100 real photos copied into the folder: 100 results, each once', async () => {
  const { box, results, errors } = await setUp();
  const entries = await readdir(PHOTOS, { recursive: true, withFileTypes: true });
  const photos = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .filter((_, i) => i % 8 === 0)
    .slice(0, 100);
  expect(photos).toHaveLength(100);
  await mkdir(join(box.ingest, 'sub/folder'), { recursive: true });
  for (const [i, path] of photos.entries()) {
    await copyFile(path, join(box.ingest, i % 2 ? 'sub/folder' : '', basename(path)));
  }
  await eventually(() => results.length >= 100);
  // Time for a repeat to show.
  await sleep(1000);
  const names = results.map(({ file }) => basename(file ?? ''));
  expect(names.toSorted()).toEqual(photos.map((path) => basename(path)).toSorted());
  expect(new Set(results.map(({ id }) => id)).size).toBe(100);
  expect(errors).toEqual([]);
  await eventually(async () => (await box.tree('tagged')).length === 200);
});

describe('bad input gets its code, and the next good photo is tagged', () => {
  test('in the folder', async () => {
    const { box, results, errors } = await setUp();
    for (const name of Object.keys(REFUSED)) {
      await copyFile(refused(name), join(box.ingest, name));
    }
    await eventually(() => errors.length === 5);
    await eventually(async () => (await box.tree('failed')).length === 10);
    for (const [name, [code]] of Object.entries(REFUSED)) {
      const sidecar = await readFile(join(box.dir, 'failed', `${name}.error.json`), 'utf8');
      expect(JSON.parse(sidecar)).toMatchObject({ code, source: 'folder', file: name });
      expect(errors.find(({ file }) => file === name)?.code).toBe(code);
    }
    await copyFile(hall, join(box.ingest, 'hall.jpg'));
    await eventually(() => results.length === 1);
  });

  test('on MQTT', async () => {
    const { client, results, errors, answers } = await setUp();
    const send = (payload: Buffer | string, properties = {}) =>
      client.publishAsync('retagger/box/ingest', payload, { qos: 1, properties });
    for (const [name, [code]] of Object.entries(REFUSED)) {
      const before = errors.length;
      await send(await readFile(refused(name)));
      await eventually(() => errors.length === before + 1);
      // A message without a byte is no damaged photo: there is none in it.
      const expected = name === 'empty.jpg' ? ['image_corrupt', 'request_invalid'] : [code];
      expect(expected, name).toContain(errors.at(-1)?.code);
    }
    await send('{"image": 7}');
    await eventually(() => errors.at(-1)?.code === 'request_invalid');
    const image = (await readFile(hall)).toString('base64');
    const reply = { responseTopic: 'answers/1', correlationData: Buffer.from('42') };
    await send(JSON.stringify({ id: 'mine', image }), reply);
    await eventually(() => results.at(-1)?.id === 'mine' && answers.at(-1)?.id === 'mine');
  });

  test('on HTTP', async () => {
    const { box } = await setUp();
    const post = async (path: string) => {
      const body = new FormData();
      body.append('image', new Blob([await readFile(path)]), basename(path));
      return fetch(`${box.url}/re-tagger`, { method: 'POST', body });
    };
    for (const [name, [code, status]] of Object.entries(REFUSED)) {
      const response = await post(refused(name));
      expect(response.headers.get('content-type'), name).toContain('application/problem+json');
      const problem = (await response.json()) as { code: string };
      expect([name, response.status, problem.code]).toEqual([name, status, code]);
    }
    const response = await post(hall);
    expect(response.status).toBe(200);
    const labels = ['balcony', 'bathroom', 'bedroom', 'hall', 'kitchen', 'others'];
    expect(Object.keys((await response.json()) as object).toSorted()).toEqual(labels);
  });
});

test('results wait on disk while the broker is away, also over a SIGKILL', async () => {
  const broker = await mosquitto();
  const box = await home(['--mqtt-url', broker.url]);
  const program = box.run();
  await program.ready();
  await broker.down();
  for (const name of await readdir('test/fixtures/rooms')) {
    await copyFile(`test/fixtures/rooms/${name}`, join(box.ingest, name));
  }
  await eventually(async () => (await box.tree('tagged')).length === 12);
  await program.kill();
  await broker.up();
  const client = await connectAsync(broker.url);
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  client.on('message', (_topic, payload) => results.push(JSON.parse(payload.toString())));
  await client.subscribeAsync('retagger/box/result', { qos: 1 });
  await box.run().ready();
  await eventually(() => new Set(results.map(({ file }) => file)).size === 6);
  expect(results.every(({ replayed }) => replayed)).toBe(true);
});
