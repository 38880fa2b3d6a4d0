import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { clientId } from '../../../src/transport/mqtt/client/connect-options.ts';
import { temporaryDir } from '../../daemon/support.ts';
import { mosquitto, withoutMqtt5 } from './mosquitto.ts';
import { connected, doorIn, eventually, listener, openDoor } from './support.ts';

test('MQTT 5: photo in, result out, answer to the Response Topic', async () => {
  const broker = await mosquitto();
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => door.health().ok);
  expect(door.health().detail).toContain('MQTT 5.0');
  const sub = await listener(broker.url, ['retagger/box/result', 'my/answers'], {
    protocolVersion: 5,
  });
  await sub.client.publishAsync('retagger/box/ingest', 'kitchen 1', {
    qos: 1,
    properties: { responseTopic: 'my/answers', correlationData: Buffer.from([0, 255, 7]) },
  });
  const [[result], [answer]] = await Promise.all([sub.first('/result'), sub.first('my/answers')]);
  expect(answer?.json).toEqual(result?.json);
  expect(answer?.packet.properties?.correlationData).toEqual(Buffer.from([0, 255, 7]));
  expect(result?.packet.properties).toMatchObject({ contentType: 'application/json' });
});

test('3.1.1: where the broker allows nothing newer', async () => {
  const broker = await mosquitto();
  const { door } = await openDoor({ mqtt: { url: await withoutMqtt5(broker.port) } });
  await eventually(() => door.health().ok);
  expect(door.health().detail).toContain('MQTT 3.1.1');
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', 'hall', { qos: 1 });
  expect((await sub.first('/result'))[0]?.json).toMatchObject({ tag: 'hall' });
});

test.each([5, 4] as const)('two boxes share the fleet topic (MQTT %i)', async (version) => {
  const broker = await mosquitto();
  const url = version === 5 ? broker.url : await withoutMqtt5(broker.port);
  const boxes: Awaited<ReturnType<typeof openDoor>>[] = [];
  for (const id of ['one', 'two']) {
    const box = await doorIn(await temporaryDir(), { mqtt: { url } });
    Object.assign(box.config.node, { id });
    boxes.push(await box.open());
  }
  await eventually(() => boxes.every(({ door }) => door.health().ok));
  const sub = await listener(broker.url, ['retagger/box/result']);
  // The fleet's subscription follows after the box's own.
  await sleep(1000);
  for (let n = 0; n < 20; n++) {
    await sub.client.publishAsync('retagger/fleet/ingest', `kitchen ${n}`, { qos: 1 });
  }
  const results = await sub.first('/result', 20);
  await sleep(300);
  expect(sub.on('/result')).toHaveLength(20);
  expect(new Set(results.map(({ json }) => json.node))).toEqual(new Set(['one', 'two']));
});

test('a session with both of the fleet’s subscriptions takes a photo once', async () => {
  const broker = await mosquitto();
  const box = await doorIn(await temporaryDir(), { mqtt: { url: broker.url } });
  // As of a time when the broker could not share, or answered too late that it can.
  const before = await connected(broker.url, {
    clientId: clientId(box.config, 'in'),
    clean: false,
  });
  await before.subscribeAsync('retagger/fleet/ingest', { qos: 1 });
  await before.endAsync();
  await box.open();
  await eventually(() => box.door.health().ok);
  const sub = await listener(broker.url, ['retagger/box/result']);
  // The fleet's subscription follows after the box's own.
  await sleep(1000);
  await sub.client.publishAsync('retagger/fleet/ingest', 'kitchen', { qos: 1 });
  await sub.first('/result');
  await sleep(500);
  expect(sub.on('/result')).toHaveLength(1);
});
