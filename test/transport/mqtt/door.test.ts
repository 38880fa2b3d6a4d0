import { expect, test } from 'vitest';
import { eventually, listener, openDoor, otherBroker } from './support.ts';

test('a photo sent to the embedded broker comes back as a result', async () => {
  const { door } = await openDoor();
  const sub = await listener(door.url, ['retagger/box/#']);
  await sub.client.publishAsync('retagger/box/ingest', 'kitchen 1', { qos: 1 });
  const [result] = await sub.first('/result');
  expect(result?.json).toMatchObject({ node: 'box', source: 'mqtt', file: null, tag: 'kitchen' });
  expect(result?.json).not.toHaveProperty('replayed');
  expect(result?.packet).toMatchObject({ qos: 1, retain: false });
});

test('a photo sent to a broker of its own comes back as a result', async () => {
  const broker = await otherBroker();
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', 'hall 1', { qos: 1 });
  const [result] = await sub.first('/result');
  expect(result?.json).toMatchObject({ source: 'mqtt', tag: 'hall' });
});
