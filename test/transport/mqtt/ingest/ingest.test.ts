import { mkdir, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Originals } from '../../../../src/daemon/spool/originals.ts';
import { RetaggerError } from '../../../../src/errors.ts';
import { Ingest } from '../../../../src/transport/mqtt/ingest/ingest.ts';
import { Journal } from '../../../../src/transport/mqtt/ingest/journal.ts';
import { topicsOf } from '../../../../src/transport/mqtt/topics.ts';
import { eventually, temporaryDir } from '../../../daemon/support.ts';
import { connected, doorIn, listener, openDoor, otherBroker } from '../support.ts';

const topics = topicsOf('retagger/box');
const INGEST = topics.ingest;
const UUID = /^[0-9a-f]{8}-/;

/** A sender with one packet id for all, as after many messages or a restart of it. */
function camera(url: string) {
  const messageIdProvider = {
    allocate: () => 7,
    ...{ getLastAllocated: () => 7, register: () => true, deallocate() {}, clear() {} },
  };
  return connected(url, { clientId: 'camera', messageIdProvider, reconnectPeriod: 0 });
}

test.each([
  ['nothing', '', 'request_invalid'],
  ['half a message', '{"image": "abcd', 'request_invalid'],
  ['an unknown key', '{"image":"QUJD","url":"x"}', 'request_invalid'],
  ['no base64', '{"image":"%"}', 'request_invalid'],
  ['image and path', '{"image":"QUJD","path":"a"}', 'request_invalid'],
  ['neither', '{"id":"x"}', 'request_invalid'],
  ['an odd id', '{"id":"a b","image":"QUJD"}', 'request_invalid'],
  ['a path out of the folder', '{"path":"../spool"}', 'request_invalid'],
  ['a missing file', '{"path":"gone.jpg"}', 'file_missing'],
  ['bytes over the limit', Buffer.alloc(2000, 'k'), 'image_too_large'],
  ['an image over the limit', `{"image":"${'QUJD'.repeat(500)}"}`, 'image_too_large'],
  ['far more than fits', Buffer.alloc(3_000_000, 'k'), 'image_too_large'],
  ['far more JSON than fits', `{"image":"${'QUJD'.repeat(700_000)}"}`, 'image_too_large'],
  ['no image', 'image_unsupported', 'image_unsupported'],
])(
  '%s: %s is answered with its code, and the next photo is tagged',
  async (_name, payload, code) => {
    const { door } = await openDoor({ limits: { upload_bytes: 1024 } });
    const sub = await listener(door.url, ['retagger/box/error', 'retagger/box/result']);
    await sub.client.publishAsync(INGEST, payload, { qos: 1 });
    await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1 });
    const [error] = await sub.first('/error');
    expect(error?.json).toMatchObject({
      source: 'mqtt',
      code,
      message: expect.stringMatching(/\.$/),
    });
    await sub.first('/result');
    expect(sub.seen).toHaveLength(2);
  },
);

test('the sender is asked for nothing more than once: photos have ids of their own', async () => {
  const { door } = await openDoor();
  const sub = await listener(door.url, ['retagger/box/result']);
  await sub.client.publishAsync(INGEST, '{"id":"mine-1","image":"a2l0Y2hlbg=="}', { qos: 1 });
  for (const qos of [0, 1, 2] as const) {
    await sub.client.publishAsync(INGEST, 'kitchen', { qos });
    await sub.client.publishAsync(INGEST, 'kitchen', { qos });
  }
  const ids = (await sub.first('/result', 7)).map(({ json }) => json.id as string);
  expect(ids).toContain('mine-1');
  expect(new Set(ids).size).toBe(7);
  expect(ids.filter((id) => UUID.test(id))).toHaveLength(6);
});

test('a message sent again has the same id; the same photo sent anew has another', async () => {
  const { door, pipeline } = await openDoor();
  const sub = await listener(door.url, ['retagger/box/result']);
  const sender = await camera(door.url);
  const ids: unknown[] = [];
  for (const dup of [false, true, false, true]) {
    await sender.publishAsync(INGEST, 'kitchen', { qos: 1, dup });
    const results = await sub.first('/result', ids.length + 1);
    ids.push(results.at(-1)?.json.id);
    // While the first is being filed the second is known to be the same, and not tagged again.
    await eventually(() => pipeline.length === 0);
  }
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
  expect(ids[3]).toBe(ids[2]);
});

test.each(['before the box has noticed', 'after the box has noticed'])(
  'not acknowledged because the broker went, stored %s: the same id',
  async (when) => {
    const broker = await otherBroker();
    const { door, pipeline } = await openDoor({ mqtt: { url: broker.url } });
    await eventually(() => door.health().ok);
    const sub = await listener(broker.url, ['retagger/box/result']);
    const taken: string[] = [];
    const accept = pipeline.accept.bind(pipeline);
    pipeline.accept = async (photo) => {
      const accepted = await accept(photo);
      taken.push(photo.id);
      if (taken.length > 1) return accepted;
      await broker.down();
      if (when.startsWith('after')) await eventually(() => !door.health().ok);
      await broker.up();
      return accepted;
    };
    await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1 });
    await eventually(() => taken.length === 2);
    await sub.first('/result');
    expect(taken[1]).toBe(taken[0]);
    expect(sub.seen.every(({ json }) => json.id === taken[0])).toBe(true);
  },
);

test('killed between the note of an acknowledgement and its sending: the same id', async () => {
  const dir = await temporaryDir();
  const first = await (await doorIn(dir)).open();
  const ids: string[] = [];
  first.pipeline.onOutcome(({ photo }) => ids.push(photo.id));
  const note = Journal.prototype.acked;
  let noted = false;
  const acked = vi.spyOn(Journal.prototype, 'acked').mockImplementation(async function (
    this: Journal,
    key,
  ) {
    await note.call(this, key);
    noted = true;
    return new Promise(() => {});
  });
  onTestFinished(() => acked.mockRestore());
  const before = await camera(first.door.url);
  before.publish(INGEST, 'kitchen', { qos: 1 });
  await eventually(() => noted && ids.length === 1);
  before.end(true);
  await first.close();
  acked.mockRestore();

  const again = await (await doorIn(dir)).open();
  again.pipeline.onOutcome(({ photo }) => ids.push(photo.id));
  // Without the DUP flag, as mqtt.js sends it.
  await (await camera(again.door.url)).publishAsync(INGEST, 'kitchen', { qos: 1 });
  await eventually(() => ids.length === 2);
  expect(ids[1]).toBe(ids[0]);
});

test('a photo that is being stored when the box stops is acknowledged', async () => {
  const broker = await otherBroker();
  const dir = await temporaryDir();
  const changes = { mqtt: { url: broker.url } };
  const first = await (await doorIn(dir, changes)).open();
  await eventually(() => first.door.health().ok);
  const sender = await connected(broker.url);
  const accept = first.pipeline.accept.bind(first.pipeline);
  let begun = false;
  first.pipeline.accept = async (photo) => {
    begun = true;
    const accepted = await accept(photo);
    await sleep(200);
    return accepted;
  };
  await sender.publishAsync(INGEST, 'kitchen', { qos: 1 });
  await sender.publishAsync(INGEST, 'hall', { qos: 1 });
  await eventually(() => begun);
  await first.door.stop();
  await eventually(() => first.pipeline.length === 0);
  // The second was not taken, and comes now.
  const again = await (await doorIn(dir, changes)).open();
  await eventually(() => again.tagger.seen.length > 0);
  await sleep(100);
  expect(first.tagger.seen).toEqual(['kitchen']);
  expect(again.tagger.seen).toEqual(['hall']);
});

test('photos sent while the box is away are kept by the broker', async () => {
  const broker = await otherBroker();
  const dir = await temporaryDir();
  const changes = { mqtt: { url: broker.url } };
  const first = await (await doorIn(dir, changes)).open();
  await eventually(() => first.door.health().ok);
  await first.close();
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1 });
  await (await doorIn(dir, changes)).open();
  expect((await sub.first('/result'))[0]?.json).toMatchObject({ tag: 'kitchen' });
});

test('without room photos wait with the broker, while results go out', async () => {
  const broker = await otherBroker();
  const box = await openDoor({ mqtt: { url: broker.url }, limits: { queue: 4 } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  box.tagger.hold();
  for (let n = 0; n < 6; n++) await sub.client.publishAsync(INGEST, `kitchen ${n}`, { qos: 1 });
  // MQTT may fill half of the queue.
  await eventually(() => box.pipeline.length === 2);
  await box.outbox.put({ kind: 'error', payload: failure('waiting') });
  await eventually(() => box.outbox.length === 0);
  expect(box.pipeline.length).toBe(2);
  box.tagger.letGo();
  const results = await sub.first('/result', 6);
  expect(new Set(results.map(({ json }) => json.id)).size).toBe(6);
  expect(box.tagger.seen).toHaveLength(6);
});

test('while the outbox is full even a refusal waits', async () => {
  const box = await openDoor({ mqtt: { url: 'mqtt://127.0.0.1:1' }, limits: { outbox: 1 } });
  await box.outbox.put({ kind: 'error', payload: failure('waiting') });
  const { config, log, pipeline, outbox } = box;
  const journal = new Journal(join(config.data.dir, 'other.jsonl'), log);
  const ingest = new Ingest({ config, log, pipeline, outbox, journal, topics });
  const message = { payload: Buffer.from('{'), dup: false, session: 's' };
  const taking = ingest.take(message, new AbortController().signal);
  await sleep(50);
  expect(outbox.length).toBe(1);
  for (const entry of await outbox.take(1)) await outbox.remove(entry);
  await taking;
  expect(outbox.length).toBe(1);
});

test('a photo that the disk does not take is offered again', async () => {
  const { door, pipeline, tagger } = await openDoor();
  const accept = pipeline.accept.bind(pipeline);
  let full = 2;
  pipeline.accept = async (photo) => {
    if (full-- > 0) throw new RetaggerError('busy', 'The photo cannot be stored: ENOSPC');
    return accept(photo);
  };
  const sender = await connected(door.url);
  await sender.publishAsync(INGEST, 'kitchen', { qos: 1 });
  await eventually(() => tagger.seen.length === 1);
});

test('without room the embedded broker acknowledges nothing', async () => {
  const box = await openDoor({ limits: { queue: 2 } });
  const sub = await listener(box.door.url, ['retagger/box/result']);
  box.tagger.hold();
  await sub.client.publishAsync(INGEST, 'kitchen 1', { qos: 1 });
  const sender = await connected(box.door.url, { clientId: 'camera', reconnectPeriod: 0 });
  let acknowledged = false;
  const sent = sender.publishAsync(INGEST, 'kitchen 2', { qos: 1 });
  sent.then(
    () => {
      acknowledged = true;
    },
    () => {},
  );
  await sleep(100);
  expect(acknowledged).toBe(false);
  // The sender gives up: its photo must not come in behind its back, it will send it again.
  await sender.endAsync(true);
  await sleep(50);
  box.tagger.letGo();
  await sub.first('/result');
  await sub.client.publishAsync(INGEST, 'kitchen 3', { qos: 1 });
  await sub.first('/result', 2);
  expect(box.tagger.seen).toEqual(['kitchen 1', 'kitchen 3']);
});

test.each(['move', 'keep'] as const)('a path, ingest.after %s', async (after) => {
  const box = await openDoor({ ingest: { after } });
  const dir = join(box.config.ingest.dir, 'a');
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'b.jpg'), 'kitchen');
  const sub = await listener(box.door.url, ['retagger/box/result']);
  await sub.client.publishAsync(INGEST, '{"path":"a/b.jpg"}', { qos: 1 });
  const [result] = await sub.first('/result');
  expect(result?.json).toMatchObject({ source: 'mqtt', file: 'a/b.jpg', tag: 'kitchen' });
  await eventually(() => box.pipeline.length === 0);
  expect(await readdir(dir)).toEqual(after === 'keep' ? ['b.jpg'] : []);
  if (after === 'keep') return;
  await stat(join(box.config.data.dir, 'tagged/kitchen/a/b.jpg'));
});

test('a path whose folder is swapped for a link while it is being taken is refused', async () => {
  const { door, config, pipeline } = await openDoor();
  const [sub, others] = [join(config.ingest.dir, 'sub'), join(config.data.dir, 'others')];
  for (const place of [sub, others]) {
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'a.jpg'), 'kitchen');
  }
  const accept = pipeline.accept.bind(pipeline);
  vi.spyOn(pipeline, 'accept').mockImplementationOnce(async (photo) => {
    await rename(sub, `${sub}.away`);
    await symlink(others, sub);
    return accept(photo);
  });
  const listening = await listener(door.url, ['retagger/box/error']);
  await listening.client.publishAsync(INGEST, '{"path":"sub/a.jpg"}', { qos: 1 });
  const [error] = await listening.first('/error');
  expect(error?.json).toMatchObject({ file: 'sub/a.jpg', code: 'file_missing' });
  expect(await readdir(others)).toEqual(['a.jpg']);
});

test('a path that we took before the crash is not reported as missing', async () => {
  const broker = await otherBroker();
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  await mkdir(box.config.ingest.dir, { recursive: true });
  await writeFile(join(box.config.ingest.dir, 'b.jpg'), 'kitchen');
  const sub = await listener(broker.url, ['retagger/box/+']);
  const { pipeline } = box;
  const accept = pipeline.accept.bind(pipeline);
  let tries = 0;
  pipeline.accept = async (photo) => {
    const accepted = await accept(photo);
    tries += 1;
    await accepted.outcome;
    await eventually(() => pipeline.length === 0);
    await broker.down().then(broker.up);
    return accepted;
  };
  await sub.client.publishAsync(INGEST, '{"path":"b.jpg"}', { qos: 1 });
  await sub.first('/result');
  await eventually(() => box.door.health().ok);
  await sub.client.publishAsync(INGEST, '{"path":"gone.jpg"}', { qos: 1 });
  const [error] = await sub.first('/error');
  expect(error?.json).toMatchObject({ file: 'gone.jpg', code: 'file_missing' });
  expect(tries).toBe(1);
});

test('the fleet topic', async () => {
  const broker = await otherBroker();
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  const embedded = await openDoor();
  for (const url of [broker.url, embedded.door.url]) {
    const sub = await listener(url, ['retagger/box/result']);
    if (url === broker.url) {
      await eventually(() => door.health().ok);
      // aedes cannot share subscriptions; that is found out by trying.
      await eventually(async () => {
        const subs = await broker.subscribers('retagger/fleet/ingest');
        return subs.length > 0;
      });
    }
    await sub.client.publishAsync('retagger/fleet/ingest', 'hall', { qos: 1 });
    expect((await sub.first('/result'))[0]?.json).toMatchObject({ tag: 'hall' });
  }
});

test('a retained photo is no new photo', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1, retain: true });
  const { door, tagger } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  await sub.client.publishAsync(INGEST, 'hall', { qos: 1 });
  await sub.first('/result');
  expect(tagger.seen).toEqual(['hall']);
});

const failure = (id: string) => ({
  ...{ id, source: 'mqtt' as const, file: null },
  ...{ code: 'internal', message: 'x' },
});

test('a file that cannot be taken is answered, and holds up no photo behind it', async () => {
  const broker = await otherBroker();
  const { config, tagger } = await openDoor({ mqtt: { url: broker.url } });
  await mkdir(config.ingest.dir, { recursive: true });
  const locked = join(config.ingest.dir, 'locked.jpg');
  await writeFile(locked, 'kitchen');
  const sub = await listener(broker.url, ['retagger/box/error', 'retagger/box/result']);
  const spy = vi.spyOn(Originals.prototype, 'claim').mockImplementation(async () => {
    throw Object.assign(new Error('EPERM: rename'), { code: 'EPERM' });
  });
  onTestFinished(() => spy.mockRestore());
  await sub.client.publishAsync(INGEST, '{"id":"x","path":"locked.jpg"}', { qos: 1 });
  await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1 });
  const [error] = await sub.first('/error');
  expect(error?.json).toMatchObject({ id: 'x', code: 'file_missing' });
  expect(error?.json.message).toContain('EPERM');
  await sub.first('/result');
  expect(tagger.seen).toEqual(['kitchen']);
});

test('a file that cannot be taken is answered also where its message comes again', async () => {
  const { config, log, pipeline, outbox } = await openDoor({ ingest: { watch: false } });
  await mkdir(config.ingest.dir, { recursive: true });
  const journal = new Journal(join(config.data.dir, 'other.jsonl'), log);
  await journal.open();
  const ingest = new Ingest({ config, log, pipeline, outbox, journal, topics });
  const message = {
    ...{ payload: Buffer.from('{"id":"x","path":"a.jpg"}'), qos: 1 as const, packetId: 7 },
    ...{ session: 's', dup: false },
  };
  await writeFile(join(config.ingest.dir, 'a.jpg'), 'kitchen');
  const gone = new AbortController();
  pipeline.accept = async () => {
    gone.abort();
    throw new RetaggerError('busy');
  };
  await expect(ingest.take(message, gone.signal)).rejects.toThrow();
  pipeline.accept = async () => {
    const cause = new Error('EPERM');
    throw new RetaggerError('file_missing', 'It cannot be moved.', { cause });
  };
  const put = vi.spyOn(outbox, 'put');
  await ingest.take({ ...message, dup: true }, new AbortController().signal);
  expect(put.mock.calls[0]?.[0]).toMatchObject({ payload: { id: 'x', code: 'file_missing' } });
  await journal.close();
});

test('the folder of files that messages name is there from the start, also where nobody watches it', async () => {
  const { config } = await openDoor({ ingest: { watch: false } });
  expect((await stat(config.ingest.dir)).isDirectory()).toBe(true);
});

test('a folder of such files that cannot be made closes no door', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'file'), '');
  const { door, tagger } = await openDoor({ ingest: { watch: false, dir: join(dir, 'file/x') } });
  const sub = await listener(door.url, ['retagger/box/result']);
  await sub.client.publishAsync(INGEST, 'kitchen', { qos: 1 });
  await sub.first('/result');
  expect(tagger.seen).toEqual(['kitchen']);
});

test('a camera that writes each photo to the same file under the same id has all tagged', async () => {
  const { door, config, tagger } = await openDoor({ ingest: { watch: false } });
  await mkdir(config.ingest.dir, { recursive: true });
  const file = join(config.ingest.dir, 'snap.jpg');
  const sub = await listener(door.url, ['retagger/box/result']);
  tagger.hold();
  for (const text of ['kitchen 1', 'hall 2']) {
    await writeFile(file, text);
    await sub.client.publishAsync(INGEST, '{"id":"cam","path":"snap.jpg"}', { qos: 1 });
    await eventually(() => tagger.seen.length > 0);
  }
  tagger.letGo();
  await sub.first('/result', 2);
  expect(tagger.seen).toEqual(['kitchen 1', 'hall 2']);
});

/** One beside the door's, with a journal of its own. */
async function ingestOf({ config, log, pipeline, outbox }: Awaited<ReturnType<typeof openDoor>>) {
  const journal = new Journal(join(config.data.dir, 'other.jsonl'), log);
  await journal.open();
  onTestFinished(() => journal.close());
  return new Ingest({ config, log, pipeline, outbox, journal, topics });
}

const message = (text: string, session = 's') => ({
  ...{ payload: Buffer.from(text), qos: 1 as const, packetId: 7 },
  ...{ session, dup: false },
});

test('a photo for which the daemon stops is neither taken nor refused: it comes again', async () => {
  const box = await openDoor();
  const ingest = await ingestOf(box);
  const accept = box.pipeline.accept.bind(box.pipeline);
  let refused = false;
  box.pipeline.accept = async (photo) => {
    box.pipeline.refuse();
    refused = true;
    return accept(photo);
  };
  const put = vi.spyOn(box.outbox, 'put');
  const gone = new AbortController();
  const taking = ingest.take(message('kitchen'), gone.signal);
  const taken = expect(taking).rejects.toThrow();
  await eventually(() => refused);
  await sleep(50);
  gone.abort();
  await taken;
  expect(put).not.toHaveBeenCalled();
});

test.each([
  ['sent as bytes, whatever the fault of the disk', 'kitchen', 'EIO', null],
  ['named by a path, where there are too many open files', '{"path":"a.jpg"}', 'EMFILE', null],
  ['named by a path, where the disk is full', '{"path":"a.jpg"}', 'ENOSPC', null],
  ['named by a path, where the disk takes nothing', '{"path":"a.jpg"}', 'EIO', 'disk_low'],
  ['named by a path, where the disk is well again at once', '{"path":"a.jpg"}', 'EIO', null],
] as const)('a photo %s, waits and is tagged', async (_name, text, code, refusal) => {
  const box = await openDoor({ ingest: { watch: false } });
  const { config, pipeline, outbox, tagger } = box;
  await mkdir(config.ingest.dir, { recursive: true });
  await writeFile(join(config.ingest.dir, 'a.jpg'), 'kitchen');
  const ingest = await ingestOf(box);
  const accept = pipeline.accept.bind(pipeline);
  let faults = 2;
  vi.spyOn(pipeline, 'room').mockResolvedValue();
  vi.spyOn(pipeline, 'refusal').mockImplementation(() => (faults < 0 ? null : refusal));
  pipeline.accept = async (photo) => {
    faults -= 1;
    if (faults < 0) return accept(photo);
    const cause = Object.assign(new Error(code), { code });
    throw new RetaggerError('busy', 'The photo cannot be stored.', { cause });
  };
  const put = vi.spyOn(outbox, 'put');
  await ingest.take(message(text), new AbortController().signal);
  await eventually(() => put.mock.calls.length > 0);
  expect(put.mock.calls.map(([{ kind }]) => kind)).toEqual(['result']);
  expect(tagger.seen).toEqual(['kitchen']);
});

test('a refusal that the disk does not take is kept for when it does', async () => {
  const box = await openDoor({ mqtt: { url: 'mqtt://127.0.0.1:1' } });
  const ingest = await ingestOf(box);
  const full = Object.assign(new Error('full'), { code: 'ENOSPC' });
  vi.spyOn(box.outbox, 'put').mockRejectedValueOnce(full);
  await ingest.take(message('{'), new AbortController().signal);
  expect(box.outbox.length).toBe(1);
});

test('the same photo from two senders at once, under one packet id, is two', async () => {
  const box = await openDoor();
  const ingest = await ingestOf(box);
  const ids: string[] = [];
  box.pipeline.accept = ({ id }) => {
    ids.push(id);
    return new Promise(() => {});
  };
  const { signal } = new AbortController();
  for (const session of ['one', 'two']) void ingest.take(message('kitchen', session), signal);
  await eventually(() => ids.length === 2);
  expect(ids[0]).not.toBe(ids[1]);
});
