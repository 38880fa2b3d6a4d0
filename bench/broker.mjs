#!/usr/bin/env node
/**
 * What one Mosquitto passes on, for docs/sizing.md: results (small) and photos (large), QoS 1, from
 * one publisher to one subscriber over loopback.
 *
 *   node bench/broker.mjs [--seconds 10]
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
const SIZES = {
  result: 600,
  'photo of 2 megapixels': 500_000,
  'photo of 12 megapixels': 4_000_000,
};
/** Published and not acknowledged, as the daemon does it. */
const IN_FLIGHT = 32;

const server = createServer().listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const { port } = server.address();
await new Promise((resolve) => server.close(resolve));
const scratch = await mkdtemp(join(tmpdir(), 'retagger-broker-'));
const conf = join(scratch, 'mosquitto.conf');
await writeFile(
  conf,
  `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n`,
);
const broker = spawn('mosquitto', ['-c', conf], { stdio: 'ignore' });
try {
  await sleep(500);
  for (const [name, bytes] of Object.entries(SIZES)) {
    process.stdout.write(`${JSON.stringify({ message: name, bytes, ...(await pass(bytes)) })}\n`);
  }
} finally {
  broker.kill();
  await rm(scratch, { recursive: true, force: true });
}

/** Publishes for some seconds. @returns messages and megabytes a second that have arrived. */
async function pass(bytes) {
  const url = `mqtt://127.0.0.1:${port}`;
  const [from, to] = await Promise.all([mqtt.connectAsync(url), mqtt.connectAsync(url)]);
  let arrived = 0;
  to.on('message', () => arrived++);
  await to.subscribeAsync('t', { qos: 1 });
  const payload = Buffer.alloc(bytes, 1);
  const began = performance.now();
  const end = began + 1000 * Number(options.seconds);
  const lane = async () => {
    while (performance.now() < end) await from.publishAsync('t', payload, { qos: 1 });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - began) / 1000;
  const perSecond = arrived / seconds;
  await Promise.all([from.endAsync(true), to.endAsync(true)]);
  return { perSecond: Math.round(perSecond), MBPerSecond: Math.round((perSecond * bytes) / 1e6) };
}
