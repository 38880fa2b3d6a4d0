import { createRequire } from 'node:module';
import { writeToStream } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { connectOptions } from '../../../src/transport/mqtt/client/connect-options.ts';
import { loadAedes, loadMqtt } from '../../../src/transport/mqtt/libraries.ts';
import { configIn } from '../../daemon/support.ts';

const client = async () => {
  const mqtt = await loadMqtt();
  mqtt.connect(await connectOptions(configIn('.'), 'out', 5));
};

test.each([
  ['client', client],
  ['broker', loadAedes],
])('the %s writes packets without a cache of all numbers', async (_name, load) => {
  writeToStream.cacheNumbers = true;
  await load();
  expect(writeToStream.cacheNumbers).toBe(false);
});

test.each(['mqtt', 'aedes'])('%s writes with the copy of mqtt-packet that was told', (name) => {
  const here = createRequire(import.meta.url);
  const there = createRequire(here.resolve(name));
  expect(there.resolve('mqtt-packet')).toBe(here.resolve('mqtt-packet'));
});
