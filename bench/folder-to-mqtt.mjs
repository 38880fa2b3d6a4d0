#!/usr/bin/env node
/**
 * Folder → MQTT with the real daemon and a real mosquitto: each photo tagged once, how long from
 * "file complete" to the result at a subscriber, photos per second, and memory of the whole tree.
 *
 *   node bench/folder-to-mqtt.mjs --photos DIR [--count 100] [--engine auto]
 */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';
import { mosquitto } from './lib/mosquitto.mjs';
import { percentile } from './lib/percentile.mjs';
import { photosBelow } from './lib/photos.mjs';
import { freePort, ready } from './lib/servers.mjs';
import { treePss } from './process-tree.mjs';

const { median } = await import('../dist/bench/median.js');
const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    count: { type: 'string', default: '100' },
    engine: { type: 'string', default: 'auto' },
  },
});
if (!options.photos) {
  process.stderr.write('usage: folder-to-mqtt.mjs --photos DIR [--count N] [--engine NAME]\n');
  process.exit(2);
}

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), 'retagger-bench-'));
const children = [];

async function main() {
  const { url, start } = await mosquitto(scratch);
  children.push(await start());
  const httpPort = await freePort();
  const data = join(scratch, 'data');
  const ingest = join(data, 'ingest');
  const started = performance.now();
  const daemon = spawn(process.execPath, [cli, 'run'], {
    env: {
      ...process.env,
      RETAGGER_DATA_DIR: data,
      RETAGGER_NODE_ID: 'bench',
      RETAGGER_HTTP_PORT: String(httpPort),
      RETAGGER_MQTT_URL: url,
      RETAGGER_ENGINE: options.engine,
      RETAGGER_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  children.push(daemon);
  await ready(httpPort, daemon);
  const coldStart = performance.now() - started;

  const subscriber = await mqtt.connectAsync(url);
  const arrived = new Map();
  subscriber.on('message', (_topic, payload) => {
    const result = JSON.parse(payload.toString());
    arrived.set(result.file, [...(arrived.get(result.file) ?? []), performance.now()]);
  });
  await subscriber.subscribeAsync(['retagger/bench/result', 'retagger/bench/error'], { qos: 1 });

  await mkdir(ingest, { recursive: true });
  await sleep(2000);
  const idle = await treePss(daemon.pid);

  const found = await photosBelow(options.photos);
  const photos = Array.from({ length: Number(options.count) }, (_, i) => found[i % found.length]);
  const named = photos.map((path, index) => [path, `${index}-${basename(path)}`]);
  const wait = async (names) => {
    const deadline = performance.now() + 300_000;
    const missing = new Set(names);
    for (;;) {
      for (const name of missing) if (arrived.has(name)) missing.delete(name);
      if (missing.size === 0) return;
      if (performance.now() > deadline) throw new Error('photos are missing after 5 minutes');
      await sleep(5);
    }
  };

  // One at a time: latency without a queue.
  const latencies = [];
  const single = named.slice(0, Math.min(30, named.length));
  for (const [path, name] of single) {
    await copyFile(path, join(ingest, `one-${name}`));
    const complete = performance.now();
    await wait([`one-${name}`]);
    latencies.push(arrived.get(`one-${name}`)[0] - complete);
  }

  // All at once: throughput and loaded memory. They are copied beforehand and moved in, because this
  // program shares the cores with what it measures.
  const prepared = join(data, 'prepared');
  await mkdir(prepared);
  for (const [path, name] of named) await copyFile(path, join(prepared, name));
  let peak = 0;
  const sampler = setInterval(async () => {
    peak = Math.max(peak, await treePss(daemon.pid));
  }, 500);
  const begin = performance.now();
  for (const [, name] of named) await rename(join(prepared, name), join(ingest, name));
  await wait(named.map(([, name]) => name));
  const seconds = (performance.now() - begin) / 1000;
  clearInterval(sampler);
  await sleep(1000);

  const repeats = [...arrived.values()].filter((times) => times.length > 1).length;
  const bytes = await Promise.all(photos.map(async (path) => (await stat(path)).size));
  const table = {
    photos: named.length,
    'median photo, kB': Math.round(median(bytes) / 1000),
    'cold start to ready, ms': Math.round(coldStart),
    'file complete to result, one at a time: median, ms': Math.round(median(latencies)),
    'file complete to result, one at a time: p95, ms': Math.round(percentile(latencies, 0.95)),
    'results, of photos dropped at once': named.filter(([, name]) => arrived.has(name)).length,
    'photos with more than one result': repeats,
    'photos/s, dropped at once': Math.round((named.length / seconds) * 10) / 10,
    'memory idle (PSS of the tree), MiB': Math.round(idle),
    'memory peak under load (PSS of the tree), MiB': Math.round(peak),
  };
  for (const [name, value] of Object.entries(table)) {
    process.stdout.write(`${name.padEnd(52)} ${value}\n`);
  }
  await subscriber.endAsync();
  // Before the broker, so that the daemon has nothing to complain about.
  daemon.kill('SIGTERM');
  await new Promise((resolve) => daemon.once('exit', resolve));
}

try {
  await main();
} finally {
  for (const child of children.toReversed()) child.kill('SIGTERM');
  await sleep(1500);
  for (const child of children) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
}
