import { expect, test } from 'vitest';
import { eventually, temporaryDir } from '../../daemon/support.ts';
import { doorIn, listener, openDoor, otherBroker } from './support.ts';

const failure = (id: string) => ({
  kind: 'error' as const,
  payload: { id, source: 'mqtt' as const, file: null, code: 'internal', message: 'x' },
});
const ids = (seen: { json: Record<string, unknown> }[]) => seen.map(({ json }) => json.id);

test('what the broker missed comes oldest first, marked, and once', async () => {
  const broker = await otherBroker();
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  await broker.down();
  await eventually(() => !door.health().ok);
  for (let n = 0; n < 100; n++) await outbox.put(failure(`late-${n}`));
  await broker.up();
  const sub = await listener(broker.url, ['retagger/box/error']);
  await eventually(() => door.health().ok && outbox.length === 0);
  await outbox.put(failure('new'));
  // Those that were sent before the listener had subscribed are not seen; aedes keeps none.
  await eventually(() => ids(sub.seen).includes('new'));
  const late = sub.seen.filter(({ json }) => json.id !== 'new');
  expect(late.every(({ json }) => json.replayed === true)).toBe(true);
  expect(ids(late)).toEqual(Array.from({ length: 100 }, (_, n) => `late-${n}`).slice(-late.length));
  expect(sub.seen.at(-1)?.json).not.toHaveProperty('replayed');
});

test('what an earlier run left is sent', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, ['retagger/box/error']);
  const dir = await temporaryDir();
  const first = await doorIn(dir);
  await first.start();
  for (const id of ['a', 'b', 'c']) await first.outbox.put(failure(id));
  const { outbox } = await (await doorIn(dir, { mqtt: { url: broker.url } })).open();
  const late = await sub.first('/error', 3);
  expect(ids(late)).toEqual(['a', 'b', 'c']);
  expect(late[0]?.json).toMatchObject({ code: 'internal', replayed: true });
  await eventually(() => outbox.length === 0);
});

test('nothing leaves the disk before its PUBACK, and 32 at most are on their way', async () => {
  const asked: (() => void)[] = [];
  const broker = await otherBroker({
    authorizePublish(_client, packet, done) {
      if (packet.topic.endsWith('/error')) asked.push(() => done(null));
      else done(null);
    },
  });
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/error']);
  for (let n = 0; n < 80; n++) await outbox.put(failure(`${n}`));
  await eventually(() => asked.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(asked.length).toBeLessThanOrEqual(32);
  expect(outbox.length).toBe(80);
  const letGo = setInterval(() => {
    for (const answer of asked.splice(0)) answer();
  }, 5);
  await eventually(() => outbox.length === 0);
  clearInterval(letGo);
  expect(ids(await sub.first('/error', 80))).toEqual(Array.from({ length: 80 }, (_, n) => `${n}`));
});

test('a connection lost before the PUBACK: sent again with the same id', async () => {
  let cuts = 3;
  const broker = await otherBroker({
    authorizePublish(client, packet, done) {
      const cut = packet.topic.endsWith('/result') && cuts-- > 0;
      if (cut) client?.conn.destroy();
      else done(null);
    },
  });
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', '{"id":"x","image":"a2l0Y2hlbg=="}', {
    qos: 1,
  });
  const [result] = await sub.first('/result');
  expect(result?.json).toMatchObject({ id: 'x', tag: 'kitchen', replayed: true });
  await eventually(() => outbox.length === 0);
  expect(cuts).toBeLessThanOrEqual(0);
});

test('a result that comes in during a long replay does not wait for its end', async () => {
  const broker = await otherBroker();
  const { door, outbox } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  await broker.down();
  await eventually(() => !door.health().ok);
  for (let n = 0; n < 300; n++) await outbox.put(failure(`late-${n}`));
  await broker.up();
  const sub = await listener(broker.url, ['retagger/box/error']);
  await eventually(() => outbox.length < 300);
  await outbox.put(failure('new'));
  await eventually(() => ids(sub.seen).includes('new'));
  expect(outbox.length).toBeGreaterThan(30);
});

test('stopping waits for what is on its way', async () => {
  const broker = await otherBroker();
  const box = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/error']);
  for (let n = 0; n < 20; n++) await box.outbox.put(failure(`${n}`));
  await box.close();
  expect(box.outbox.length).toBe(0);
  await sub.first('/error', 20);
});
