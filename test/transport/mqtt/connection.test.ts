import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectOptions } from '../../../src/transport/mqtt/connect-options.ts';
import { Connection } from '../../../src/transport/mqtt/connection.ts';
import { configIn, eventually, silent, temporaryDir } from '../../daemon/support.ts';

async function connectionTo(url: () => string, onMessage = async () => {}) {
  const connection = new Connection({
    ...{ config: configIn(await temporaryDir()), log: silent, role: 'in' as const },
    ...{ url, onUp: async () => {}, onMessage },
  });
  onTestFinished(() => connection.stop());
  connection.start();
  return connection;
}

test('where nothing can be connected to at all, it tries again and stops', async () => {
  let tries = 0;
  const connection = await connectionTo(() => {
    tries += 1;
    return 'mqtt://127.0.0.1:99999';
  });
  await eventually(() => {
    connection.hurry();
    return tries >= 3;
  });
  // An error in a listener of the signal would end the process.
  await connection.stop();
});

test('of a certificate that is none the names are said', async () => {
  const file = join(await temporaryDir(), 'bad.pem');
  await writeFile(file, 'no certificate');
  const { mqtt, ...config } = configIn(await temporaryDir());
  const given = { ...config, mqtt: { ...mqtt, cert: file, key: file } };
  await expect(connectOptions(given, 'in', 5)).rejects.toThrow(
    /mqtt\.ca, mqtt\.cert or mqtt\.key: /,
  );
});

test('in a hurry, it does not wait for the next try', async () => {
  let tries = 0;
  const server = createServer((socket) => {
    tries += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const connection = await connectionTo(() => `mqtt://127.0.0.1:${port}`);
  // By itself it would try ten times in more than a minute.
  await eventually(() => {
    connection.hurry();
    return tries >= 10;
  });
});

test('a broker that only comes up later is spoken to in MQTT 5 all the same', async () => {
  let connections = 0;
  const versions: number[] = [];
  const server = createServer((socket) => {
    // What is in front of it (a proxy, a load balancer) takes connections and lets go of them.
    if (++connections <= 1) return void socket.destroy();
    socket.on('error', () => {});
    socket.once('data', (connect) => {
      const version = connect[2 + 2 + 4] as number;
      versions.push(version);
      socket.write(Buffer.from(version === 5 ? [0x20, 3, 0, 0, 0] : [0x20, 2, 0, 0]));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const connection = await connectionTo(() => `mqtt://127.0.0.1:${port}`);
  await eventually(() => connection.state.up);
  expect(versions).toEqual([4, 5]);
  expect(connection.state.version).toBe(5);
});

test('a broker that hangs up at MQTT 5 is spoken to in 3.1.1', async () => {
  const versions: number[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (connect) => {
      const version = connect[2 + 2 + 4] as number;
      versions.push(version);
      if (version === 5) socket.destroy();
      // With a message that waits: it is sent again on each connection until it is acknowledged.
      else socket.write(Buffer.from([0x20, 2, 0, 0, 0x32, 6, 0, 1, 0x61, 0, 1, 0x78]));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  let taken = 0;
  const connection = await connectionTo(
    () => `mqtt://127.0.0.1:${port}`,
    async () => void taken++,
  );
  await eventually(() => connection.state.up && taken > 0);
  expect(versions).toEqual([5, 4, 5, 4]);
  expect(connection.state.version).toBe(4);
  expect(taken).toBe(1);
});
