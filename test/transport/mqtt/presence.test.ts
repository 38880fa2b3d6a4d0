import { expect, test } from 'vitest';
import { eventually } from '../../daemon/support.ts';
import { listener, openDoor, otherBroker } from './support.ts';

const STATUS = 'retagger/box/status';

test('online, retained, with what is loaded', async () => {
  const { door } = await openDoor();
  await eventually(() => door.health().ok);
  const sub = await listener(door.url, [STATUS]);
  const [status] = await sub.first('/status');
  expect(status?.json).toEqual({
    state: 'online',
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    model: 'text@1',
    engine: 'wasm',
  });
  expect(status?.packet.retain).toBe(true);
});

test('offline when the connection dies, and online again', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, [STATUS]);
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await sub.first('/status');
  await eventually(() => door.health().ok);
  broker.cut(/-out$/);
  const states = (await sub.first('/status', 3)).map(({ json }) => json.state);
  expect(states).toEqual(['online', 'offline', 'online']);
});

test('offline stays for who asks later, when the box does not come back', async () => {
  let open = true;
  const broker = await otherBroker({
    authenticate: (client, _name, _password, done) => done(null, open || !/-box-/.test(client.id)),
  });
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  open = false;
  broker.cut(/-out$/);
  const { seen } = await listener(broker.url, [STATUS]);
  await eventually(() => seen.at(-1)?.json.state === 'offline');
  const later = await listener(broker.url, [STATUS]);
  expect((await later.first('/status'))[0]).toMatchObject({
    json: { state: 'offline', model: 'text@1' },
    packet: { retain: true },
  });
});

test('offline after a clean stop, by our own word alone', async () => {
  const broker = await otherBroker();
  const sub = await listener(broker.url, [STATUS]);
  const box = await openDoor({ mqtt: { url: broker.url } });
  await sub.first('/status');
  await box.close();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sub.seen.map(({ json }) => json.state)).toEqual(['online', 'offline']);
  const later = await listener(broker.url, [STATUS]);
  const [status] = await later.first('/status');
  expect(status?.json).toMatchObject({ state: 'offline' });
  expect(status?.packet.retain).toBe(true);
});

test('tells of another model', async () => {
  const { door, tagger } = await openDoor();
  const sub = await listener(door.url, [STATUS]);
  await sub.first('/status');
  tagger.info = { model: 'text@2', engine: 'onnxruntime', labels: ['kitchen'] };
  const statuses = await sub.first('/status', 2);
  expect(statuses[1]?.json).toMatchObject({ state: 'online', model: 'text@2' });
});
