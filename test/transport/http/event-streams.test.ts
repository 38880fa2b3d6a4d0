import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { EventStreams } from '../../../src/transport/http/event-streams.ts';
import { eventually } from '../../daemon/support.ts';
import { serve } from './support.ts';

test('a client that reads nothing is dropped', async () => {
  const streams = new EventStreams(60_000);
  const app = Fastify();
  onTestFinished(async () => {
    streams.stop();
    await app.close();
  });
  app.get('/', async (_request, reply) => {
    streams.open(reply);
    return reply;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const slow = connect(port, '127.0.0.1', () => slow.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  slow.on('error', () => {});
  onTestFinished(() => void slow.destroy());
  await eventually(() => streams.size === 1);
  slow.pause();
  const big = 'x'.repeat(64 * 1024);
  let sent = 0;
  await eventually(() => {
    streams.send('result', big);
    sent += 1;
    return streams.size === 0;
  });
  // What the kernel buffers, and not much more.
  expect(sent).toBeLessThan(500);
});

test('a client that ends its side gives its place back', async () => {
  const { url } = await serve({}, { heartbeat: 60_000 });
  const { hostname, port } = new URL(url);
  const open = () => {
    const socket = connect(Number(port), hostname);
    socket.write('GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const answered = Array.from({ length: 16 }, open).map(async (socket) => {
    await once(socket, 'data');
    socket.end();
    await once(socket, 'close');
  });
  await Promise.all(answered);
  const [first] = await once(open(), 'data');
  expect(String(first)).toMatch(/^HTTP\/1.1 200 /);
});

test('what a listener sends is not kept', async () => {
  const { url } = await serve();
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  socket.write('GET /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 90000000\r\n\r\n');
  await once(socket, 'data');
  // More than fits into all buffers on the way.
  socket.write(Buffer.alloc(20_000_000));
  await eventually(() => socket.writableLength === 0);
});
