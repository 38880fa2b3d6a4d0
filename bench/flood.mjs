/**
 * Everything at once: photos of 12 megapixels dropped into the folder, HTTP clients that never pause,
 * MQTT messages, in a memory cgroup. Memory stays bounded, HTTP answers or says 503 with Retry-After,
 * and nothing is lost.
 *
 *   node bench/flood.mjs --photos DIR [--memory 512] [--folder 2000] [--mqtt 10000] [--clients 50] [--seconds 120]
 *
 * The clients come back for SECONDS; photos of the folder and MQTT wait behind them. Needs root (cgroup), mosquitto, and DIR with real photos. MiB throughout.
 */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';
import sharp from 'sharp';
import { memoryGroup } from './lib/cgroup.mjs';
import { bodyOf, post } from './lib/load.mjs';
import { mosquitto } from './lib/mosquitto.mjs';
import { makePhotos } from './lib/photos.mjs';
import { freePort, ready } from './lib/servers.mjs';
import { treePss } from './process-tree.mjs';

const { values: options } = parseArgs({
  options: {
    photos: { type: 'string' },
    memory: { type: 'string', default: '512' },
    folder: { type: 'string', default: '2000' },
    mqtt: { type: 'string', default: '10000' },
    clients: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '120' },
  },
});
if (!options.photos) {
  process.stderr.write('usage: flood.mjs --photos DIR (more in the file)\n');
  process.exit(2);
}
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), 'flood-'));
const made = await makePhotos(options.photos, join(scratch, 'made'), 24);
const small = await Promise.all(
  made['640x480'].map((path) => sharp(path).resize(320).jpeg({ quality: 70 }).toBuffer()),
);
const bodies = made['2mp'].map(bodyOf);

const { url, start } = await mosquitto(scratch, 'max_queued_messages 0');
const broker = await start();
const httpPort = await freePort();
const group = memoryGroup(`retagger-flood-${process.pid}`, Number(options.memory) * 2 ** 20);
const data = join(scratch, 'data');
const joined = `echo $$ > ${group.tasks} && exec "$0" run`;
const daemon = spawn('sh', ['-c', joined, here('../dist/cli.js')], {
  env: {
    ...{ PATH: process.env.PATH, HOME: process.env.HOME },
    RETAGGER_DATA_DIR: data,
    RETAGGER_NODE_ID: 'flood',
    RETAGGER_HTTP_PORT: httpPort,
    RETAGGER_MQTT_URL: url,
    RETAGGER_INGEST_AFTER: 'delete',
    RETAGGER_LOG_LEVEL: 'fatal',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
await ready(httpPort, daemon);

const wanted = new Set();
const ids = new Set();
const client = await mqtt.connectAsync(url);
let results = 0;
const errors = [];
client.on('message', (topic, payload) => {
  const { id, file, code } = JSON.parse(payload.toString());
  if (topic.endsWith('/error')) errors.push(code);
  results += 1;
  ids.add(id);
  wanted.delete(file);
  wanted.delete(id);
});
await client.subscribeAsync(['retagger/flood/result', 'retagger/flood/error'], { qos: 1 });
await mkdir(join(data, 'prepared'), { recursive: true });
const count = Number(options.folder);
for (let i = 0; i < count; i++) {
  await copyFile(made['12mp'][i % 24], join(data, 'prepared', `${i}.jpg`));
}

let peak = 0;
const sampler = setInterval(async () => {
  peak = Math.max(peak, await treePss(daemon.pid));
}, 1000);
const from = performance.now();
for (let i = 0; i < count; i++) {
  wanted.add(`${i}.jpg`);
  await rename(join(data, 'prepared', `${i}.jpg`), join(data, 'ingest', `${i}.jpg`));
}
for (let i = 0; i < Number(options.mqtt); i++) {
  wanted.add(`m-${i}`);
  const payload = JSON.stringify({ id: `m-${i}`, image: small[i % 24].toString('base64') });
  const sent = client.publishAsync('retagger/flood/ingest', payload, { qos: 1 });
  if (i % 100 === 0) await sent;
}
const answers = {};
const agent = new Agent({ keepAlive: true });
let given = 0;
const http = async () => {
  while (performance.now() - from < Number(options.seconds) * 1000) {
    const { status, headers } = await post(
      `http://127.0.0.1:${httpPort}/re-tagger`,
      bodies[given++ % 24],
      agent,
    ).catch((error) => ({ status: error.code, headers: {} }));
    const name = status === 503 && !headers['retry-after'] ? '503 without Retry-After' : status;
    answers[name] = (answers[name] ?? 0) + 1;
    // A caller that is told to come back later does.
    if (status !== 200) await sleep(1000);
  }
};
await Promise.all(Array.from({ length: Number(options.clients) }, http));
while (wanted.size > 0 && performance.now() - from < 3_600_000) await sleep(100);
const seconds = (performance.now() - from) / 1000;
clearInterval(sampler);
await sleep(1000);
const left = (await readdir(join(data, 'spool'))).length;
process.stdout.write(
  `${JSON.stringify({
    'cgroup MiB': Number(options.memory),
    'handed in': count + Number(options.mqtt),
    lost: wanted.size,
    'answers over HTTP': answers,
    results,
    'different ids': ids.size,
    errors: errors.length,
    'left in the spool': left,
    seconds: Math.round(seconds),
    'peak PSS MiB': Math.round(peak),
    'cgroup peak MiB': Math.round(group.peak() / 2 ** 20),
    'killed by the kernel': group.kills(),
  })}\n`,
);
daemon.kill('SIGTERM');
await new Promise((resolve) => daemon.once('exit', resolve));
broker.kill();
client.end(true);
await sleep(500);
group.remove();
await rm(scratch, { recursive: true, force: true });
process.exit(wanted.size === 0 ? 0 : 1);
