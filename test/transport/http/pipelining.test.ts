import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { serve } from './support.ts';

const ask = (times: number) => 'GET /results HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(times);

async function client(url: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'connect');
  return { socket, answers: () => text.split('HTTP/1.1 200').length - 1 };
}

test('a connection that asks for more than it has read is ended, and nobody else suffers', async () => {
  const { url } = await serve();
  const greedy = await client(url);
  greedy.socket.write(ask(1500));
  await once(greedy.socket, 'close');
  expect(greedy.answers()).toBeLessThanOrEqual(16);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test('some requests at once are answered in turn, again and again', async () => {
  const { url } = await serve();
  const { socket, answers } = await client(url);
  for (let round = 1; round <= 5; round++) {
    socket.write(ask(16));
    await expect.poll(answers, { interval: 5 }).toBe(16 * round);
  }
});
