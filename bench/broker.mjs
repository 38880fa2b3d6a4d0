#!/usr/bin/env node
/**
 * What one Mosquitto passes on, for docs/sizing.md: results (small) and photos (large), QoS 1, from
 * one publisher to one subscriber over loopback.
 *
 *   node bench/broker.mjs [--seconds 10]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';
import { mosquitto } from './lib/mosquitto.mjs';

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
const SIZES = {
  result: 600,
  'photo of 2 megapixels': 500_000,
  'photo of 12 megapixels': 4_000_000,
};
/** Published and not acknowledged, as the daemon does it. */
const IN_FLIGHT = 32;

const scratch = await mkdtemp(join(tmpdir(), 'retagger-broker-'));
const { url, start } = await mosquitto(scratch, 'max_inflight_messages 0');
const broker = await start();
try {
  for (const [name, bytes] of Object.entries(SIZES)) {
    process.stdout.write(`${JSON.stringify({ message: name, bytes, ...(await pass(bytes)) })}\n`);
  }
} finally {
  broker.kill();
  await rm(scratch, { recursive: true, force: true });
}

/** Publishes for some seconds. @returns messages and megabytes a second that have arrived. */
async function pass(bytes) {
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
