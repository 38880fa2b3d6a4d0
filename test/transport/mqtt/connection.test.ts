import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectOptions } from '../../../src/transport/mqtt/connect-options.ts';
import { Connection } from '../../../src/transport/mqtt/connection.ts';
import { configIn, eventually, silent, temporaryDir } from '../../daemon/support.ts';

async function connectionTo(url: () => string) {
  const connection = new Connection({
    ...{ config: configIn(await temporaryDir()), log: silent, role: 'in' as const },
    ...{ url, onUp: async () => {} },
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
