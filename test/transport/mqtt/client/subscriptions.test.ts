import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eventually, listener, openDoor, otherBroker, tryAgainSoon } from '../support.ts';

test('a broker that hangs up over the fleet’s topic: its own topic goes on', async () => {
  tryAgainSoon();
  let [connects, hungUp] = [0, 0];
  const broker = await otherBroker({
    authorizeSubscribe(client, subscription, done) {
      if (!subscription?.topic.startsWith('$share')) return done(null, subscription);
      hungUp += 1;
      client?.conn.destroy();
    },
  });
  broker.aedes.on('client', ({ id }) => {
    if (id.endsWith('-in')) connects += 1;
  });
  const { door } = await openDoor({ mqtt: { url: broker.url } });
  await eventually(() => connects > 3 && door.health().ok);
  await sleep(100);
  expect([connects, hungUp, door.health().ok]).toEqual([4, 3, true]);
  const sub = await listener(broker.url, ['retagger/box/result']);
  await sub.client.publishAsync('retagger/box/ingest', 'hall', { qos: 1 });
  await sub.first('/result');
});
