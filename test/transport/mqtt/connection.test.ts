import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { onTestFinished, test } from 'vitest';
import { Connection } from '../../../src/transport/mqtt/connection.ts';
import { configIn, eventually, silent, temporaryDir } from '../../daemon/support.ts';

test('in a hurry, it does not wait for the next try', async () => {
  let tries = 0;
  const server = createServer((socket) => {
    tries += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const connection = new Connection({
    ...{ config: configIn(await temporaryDir()), log: silent, role: 'in' as const },
    url: () => `mqtt://127.0.0.1:${port}`,
    onUp: async () => {},
  });
  onTestFinished(() => connection.stop());
  connection.start();
  // By itself it would try ten times in more than a minute.
  await eventually(() => {
    connection.hurry();
    return tries >= 10;
  });
});
