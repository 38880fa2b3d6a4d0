import { once } from 'node:events';
import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { brokerAddress } from '../../../../src/transport/mqtt/client/broker-address.ts';

test.each([
  ['mqtt://broker.example', { protocol: 'mqtt', host: 'broker.example' }],
  ['mqtt://my_broker:1884/', { protocol: 'mqtt', host: 'my_broker', port: 1884 }],
  ['mqtts://Büro.example:80', { protocol: 'mqtts', host: 'xn--bro-hoa.example', port: 80 }],
  ['mqtt://[fe80::1]:1883', { protocol: 'mqtt', host: 'fe80::1', port: 1883 }],
  ['mqtt://box%zz', URIError],
  ['mqtt://a%20b', { protocol: 'mqtt', host: 'a b' }],
  ['mqtt://box?clientId=other', { protocol: 'mqtt', host: 'box' }],
  ['ws://box', { protocol: 'ws', host: 'box', path: '/' }],
  [
    'wss://box:8084/mqtt?token=1#x',
    { protocol: 'wss', host: 'box', port: 8084, path: '/mqtt?token=1' },
  ],
  ['ws://[::1]:9001/mqtt', { protocol: 'ws', host: '[::1]', port: 9001, path: '/mqtt' }],
  ['mqtt://kiosk@box', { protocol: 'mqtt', host: 'box', username: 'kiosk' }],
  [
    'mqtt://us%40er:p%2Fa:ss@box',
    { protocol: 'mqtt', host: 'box', username: 'us@er', password: 'p/a:ss' },
  ],
  ['mqtt://:secret@box', { protocol: 'mqtt', host: 'box', username: '', password: 'secret' }],
])('%s', (url, expected) => {
  if (typeof expected === 'function') expect(() => brokerAddress(url)).toThrow(expected);
  else expect(brokerAddress(url)).toEqual(expected);
});

test('a password with a colon comes to the broker whole', async () => {
  const aedes = await Aedes.createBroker({
    authenticate: (_client, username, password, done) =>
      done(null, username === 'kiosk' && password?.toString() === 'a:b:c'),
  });
  const server = createServer(aedes.handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    server.close();
  });
  const { port } = server.address() as { port: number };
  const address = brokerAddress(`mqtt://kiosk:a%3Ab:c@127.0.0.1:${port}`);
  const client = await connectAsync('', { ...address, reconnectPeriod: 0 }, false);
  expect(client.connected).toBe(true);
  await client.endAsync(true);
});
