/**
 * Full load for a long time, with faults in it, and what it does to memory, handles, inotify watches
 * and disk. Photos come by folder, MQTT and HTTP as fast as they are taken; every so often a worker
 * is killed, the broker goes away, freezes or is killed, an upload is broken off or a bad photo comes.
 * In the end every photo must have been answered.
 *
 *   node bench/soak.mjs [--minutes 45] [--seed 1]      (needs mosquitto; writes bench/results/soak.json)
 */
import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';
import sharp from 'sharp';
import { mosquitto } from './lib/mosquitto.mjs';
import { freePort, ready } from './lib/servers.mjs';
import { processTree, pss } from './process-tree.mjs';

const { median } = await import('../dist/bench/median.js');
const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '45' },
    seed: { type: 'string', default: '1' },
    pause: { type: 'string', default: '30' },
  },
});
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
let state = Number(options.seed);
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const scratch = await mkdtemp(join(tmpdir(), 'soak-'));
const { url, start } = await mosquitto(
  scratch,
  ...['persistence true', `persistence_location ${scratch}/`, 'user root'],
  ...['autosave_on_changes true', 'autosave_interval 1'],
  ...['max_queued_messages 100000', 'log_dest none'],
);
let broker = await start();
const httpPort = await freePort();
const data = join(scratch, 'data');
const daemon = spawn(here('../dist/cli.js'), ['run'], {
  env: {
    ...{ PATH: process.env.PATH, HOME: process.env.HOME },
    RETAGGER_DATA_DIR: data,
    RETAGGER_NODE_ID: 'soak',
    RETAGGER_HTTP_PORT: httpPort,
    RETAGGER_MQTT_URL: url,
    RETAGGER_INGEST_AFTER: 'delete',
    RETAGGER_LOG_LEVEL: 'fatal',
  },
  stdio: ['ignore', 'ignore', 'inherit'],
});
const base = `http://127.0.0.1:${httpPort}`;
await ready(httpPort, daemon);

// Photos unlike any other: a number drawn as a stripe on one of 8 real-sized grounds.
const grounds = await Promise.all(
  Array.from({ length: 8 }, (_, i) =>
    sharp({
      create: {
        ...{
          width: 640,
          height: 480,
          channels: 3,
          background: { r: 30 * i, g: 200 - 20 * i, b: 90 },
        },
        noise: { type: 'gaussian', mean: 128, sigma: 20 + 4 * i },
      },
    })
      .jpeg({ quality: 80 })
      .toBuffer(),
  ),
);
/** A comment segment makes the bytes one of a kind and costs nothing. */
function photo(id) {
  const ground = grounds[Math.floor(random() * grounds.length)];
  const text = Buffer.from(id);
  const comment = Buffer.from([0xff, 0xfe, 0, text.length + 2]);
  return Buffer.concat([ground.subarray(0, 2), comment, text, ground.subarray(2)]);
}

const waiting = new Map(); // SHA-256 or id → when it was handed in
const done = {
  folder: 0,
  mqtt: 0,
  http: 0,
  refused: 0,
  failed: 0,
  repeated: 0,
  busy: 0,
  resent: 0,
};
const seen = new Set();
const client = await mqtt.connectAsync(url, {
  ...{ clientId: 'soak', clean: false, reconnectPeriod: 200 },
});
client.on('error', () => {});
const crashed = [];
client.on('message', (topic, payload) => {
  const message = JSON.parse(payload.toString());
  if (seen.has(message.id)) done.repeated += 1;
  seen.add(message.id);
  if (topic.endsWith('/error')) {
    done.failed += 1;
    if (message.code !== 'image_corrupt') crashed.push(message.code);
    waiting.delete(message.file ?? message.id);
    waiting.delete(message.id);
    return;
  }
  for (const key of [message.sha256, message.id]) {
    if (waiting.delete(key)) done[message.source] += 1;
  }
});
await client.subscribeAsync(['retagger/soak/result', 'retagger/soak/error'], { qos: 1 });

const end = performance.now() + Number(options.minutes) * 60_000;
const running = () => performance.now() < end;
const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');
const sent = new Map();
/** No more than so many at once from one source; the daemon holds 256 in all. */
const loads = [
  async () => {
    await mkdir(join(data, 'ingest'), { recursive: true });
    while (running()) {
      const id = randomUUID();
      const bad = random() < 0.01;
      const bytes = bad ? photo(id).subarray(0, 900) : photo(id);
      const name = `${id}.jpg`;
      waiting.set(bad ? name : sha(bytes), performance.now());
      await writeFile(join(data, 'ingest', `.${name}`), bytes);
      await rename(join(data, 'ingest', `.${name}`), join(data, 'ingest', name));
      while (running() && waiting.size > 600) await sleep(20);
      await sleep(10);
    }
  },
  async () => {
    while (running()) {
      const id = `m-${randomUUID()}`;
      const payload = JSON.stringify({ id, image: photo(id).toString('base64') });
      waiting.set(id, performance.now());
      sent.set(id, payload);
      client.publish('retagger/soak/ingest', payload, { qos: 1 });
      for (const old of sent.keys()) if (!waiting.has(old)) sent.delete(old);
      while (running() && (waiting.size > 600 || !client.connected)) await sleep(20);
      await sleep(50);
    }
  },
  ...Array.from({ length: 4 }, () => async () => {
    while (running()) {
      const id = randomUUID();
      const bytes = photo(id);
      const form = new FormData();
      form.set('image', new Blob([bytes]), 'soak.jpg');
      const answer = await fetch(`${base}/re-tagger`, { method: 'POST', body: form }).catch(
        (error) => ({ status: error.cause?.code ?? 'reset', text: async () => '' }),
      );
      await answer.text();
      if (answer.status === 503) {
        done.busy += 1;
        await sleep(500);
      } else if (answer.status === 200) done.http += 1;
      else done.refused += 1;
      await sleep(60);
    }
  }),
];
const faults = {
  worker: 0,
  'broker killed': 0,
  'broker away': 0,
  'broker frozen': 0,
  'upload broken off': 0,
};
const brokerGone = async (signal, ms) => {
  const gone = new Promise((resolve) => broker.once('exit', resolve));
  broker.kill(signal);
  await gone;
  await sleep(ms);
  broker = await start();
};
const FAULTS = {
  worker: async () => {
    const workers = (await processTree(daemon.pid)).slice(1);
    process.kill(workers[Math.floor(random() * workers.length)], 'SIGKILL');
  },
  'broker killed': () => brokerGone('SIGKILL', 1000),
  'broker away': () => brokerGone('SIGTERM', 5000 + random() * 40_000),
  'broker frozen': async () => {
    const frozen = broker;
    frozen.kill('SIGSTOP');
    await sleep(10_000 + random() * 20_000);
    frozen.kill('SIGCONT');
  },
  'upload broken off': async () => {
    const socket = connect(httpPort, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      'POST /re-tagger HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: 99999\r\n\r\n--x\r\ncontent-disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n',
    );
    await sleep(1000);
    socket.destroy();
  },
};
const trouble = async () => {
  const kinds = Object.keys(FAULTS);
  while (running()) {
    await sleep((0.5 + random()) * Number(options.pause) * 1000);
    const kind = kinds[Math.floor(random() * kinds.length)];
    if (!running()) break;
    await FAULTS[kind]().catch(() => {});
    faults[kind] += 1;
  }
};

async function handles() {
  let [fds, watches] = [0, 0];
  for (const fd of await readdir(`/proc/${daemon.pid}/fd`)) {
    fds += 1;
    const info = await readFile(`/proc/${daemon.pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
    watches += info.split('\n').filter((line) => line.startsWith('inotify wd')).length;
  }
  return { fds, watches };
}
async function diskBytes() {
  const entries = await readdir(data, { recursive: true, withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name);
    if (!file.includes('/failed/')) bytes += (await stat(file).catch(() => null))?.size ?? 0;
  }
  return bytes;
}
const samples = [];
const started = performance.now();
const sampler = async () => {
  while (running()) {
    await sleep(20_000);
    const tree = await Promise.all((await processTree(daemon.pid)).map(pss));
    const sample = {
      minute: (performance.now() - started) / 60_000,
      memory: tree.reduce((sum, one) => sum + one, 0),
      daemonMemory: tree[0],
      processes: tree.length,
      ...(await handles()),
      disk: (await diskBytes()) / 2 ** 20,
      answered: seen.size,
    };
    samples.push(sample);
    if (daemon.exitCode !== null) throw new Error(`the daemon ended: ${daemon.exitCode}`);
  }
};
await Promise.all([...loads.map((load) => load()), trouble(), sampler()]);

// What is left: the broker back, and time as long as answers come. When none do, the sender sends again
// what it has no answer to.
if (broker.exitCode !== null) broker = await start();
for (let silent = 0; waiting.size > 0 && silent < 3; ) {
  const before = waiting.size;
  await sleep(30_000);
  if (waiting.size < before) continue;
  silent += 1;
  for (const [id, payload] of sent) {
    if (!waiting.has(id) || !client.connected) continue;
    done.resent += 1;
    client.publish('retagger/soak/ingest', payload, { qos: 1 });
  }
}
const round = (value) => Math.round(value * 10) / 10;
/** Early and late: medians of two quarters of the samples. */
const early = samples.slice(Math.floor(samples.length / 8), Math.floor(samples.length * 0.375));
const late = samples.slice(Math.floor(samples.length * 0.75));
const compared = (key, which = () => true) =>
  [early, late].map((part) => round(median(part.filter(which).map((sample) => sample[key]))));
const flat = Object.fromEntries(
  ['fds', 'watches', 'disk', 'daemonMemory'].map((key) => [key, compared(key)]),
);
// One worker or two: each compared with its like.
for (const processes of [2, 3]) {
  const like = (sample) => sample.processes === processes;
  if (early.some(like) && late.some(like)) {
    flat[`memory, ${processes} processes`] = compared('memory', like);
  }
}
const rate = seen.size / ((performance.now() - started) / 1000);
const report = {
  options,
  done,
  answered: seen.size,
  rate,
  lost: waiting.size,
  crashed,
  faults,
  flat,
};
report.diskInTheEnd = round((await diskBytes()) / 2 ** 20);
report.peak = Math.max(...samples.map(({ memory }) => memory));
await mkdir(here('results'), { recursive: true });
await writeFile(here('results/soak.json'), `${JSON.stringify({ ...report, samples }, null, 1)}\n`);
process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
daemon.kill('SIGTERM');
await new Promise((resolve) => daemon.once('exit', resolve));
broker.kill('SIGTERM');
client.end(true);
await rm(scratch, { recursive: true, force: true });
process.exit(report.lost === 0 ? 0 : 1);
