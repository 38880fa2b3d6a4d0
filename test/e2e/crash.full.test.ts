import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import type { Failure, Result } from '../../src/result.ts';
import { mosquitto } from '../transport/mqtt/mosquitto.ts';
import { eventually, home, jpeg, within } from './harness.ts';
import { killWorker, random } from './victims.ts';

/** How often something is killed; docs/measurements.md has a run of 500. */
const KILLS = Number(process.env.CRASH_KILLS ?? 24);
/** Repeat a failed run with the seed it printed. */
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Mosquitto, and a subscriber and sender it knows also after it was killed. */
async function brokerWithListener() {
  // Saved at every change: what Mosquitto has acknowledged and then forgets is not ours to find.
  const broker = await mosquitto([
    'allow_anonymous true',
    'autosave_on_changes true',
    'autosave_interval 1',
  ]);
  const client = await connectAsync(broker.url, {
    ...{ clientId: 'watch', clean: false, reconnectPeriod: 100, protocolVersion: 4 },
  });
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  const failures: Failure[] = [];
  client.on('message', (topic, payload) => {
    const message = JSON.parse(payload.toString());
    if (topic.endsWith('/result')) results.push(message);
    else failures.push(message);
  });
  await client.subscribeAsync(['retagger/box/result', 'retagger/box/error'], { qos: 1 });
  return { broker, client, results, failures };
}

/** Written in two halves with a pause in which it looks settled. */
async function dropSlowly(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w');
  const half = Math.floor(bytes.length / 2);
  await file.write(bytes.subarray(0, half));
  await sleep(1000);
  await file.write(bytes.subarray(half), 0, null, half);
  await file.close();
}

test.each([
  ['', KILLS],
  [', the watch folder on a disk of its own', KILLS / 2],
])(
  `SIGKILL of daemon, worker and broker at random moments, seed ${SEED}%s: %i`,
  async (disk, many) => {
    const next = random(SEED);
    const { broker, client, results, failures } = await brokerWithListener();
    const box = await home(['--mqtt-url', broker.url, '--ingest-rescan-s', '1']);
    await mkdir(box.ingest, { recursive: true });
    if (disk !== '') {
      // Needs root.
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', box.ingest]);
      onTestFinished(() => void execFileSync('umount', ['--lazy', box.ingest]));
    }
    let run = box.run();
    await run.ready();

    /** SHA-256 of the photo by what it was handed in as. */
    const accepted = { folder: new Map<string, string>(), http: new Map<string, string>() };
    /** The sender keeps what it has sent until it sees the answer, as senders should. */
    const sent = new Map<string, string>();
    const answered = () =>
      new Set([...results, ...failures].flatMap(({ id }) => (id.startsWith('mqtt-') ? [id] : [])));
    const drops: Promise<void>[] = [];
    let number = 0;
    let loading = true;
    const waiting = () =>
      accepted.folder.size + accepted.http.size + sent.size - results.length - failures.length;
    const load = async (each: (n: number) => Promise<void>) => {
      while (loading) {
        // A machine too slow for the load would only pile up photos.
        if (waiting() < 400) await each(number++);
        await sleep(next() * 200);
      }
    };
    const loads = [
      load(async (n) => {
        // Every tenth is cut short: it must end in `failed`, once.
        const whole = await jpeg(n);
        const bytes = n % 10 === 0 ? whole.subarray(0, whole.length / 2) : whole;
        const name = `${n}.jpg`;
        const isSlow = n % 7 === 3 && bytes === whole;
        const dropped = isSlow ? dropSlowly(join(box.ingest, name), bytes) : box.drop(name, bytes);
        drops.push(dropped.then(() => void accepted.folder.set(name, sha256(bytes))));
      }),
      load(async (n) => {
        const payload = JSON.stringify({
          id: `mqtt-${n}`,
          image: (await jpeg(n)).toString('base64'),
        });
        sent.set(`mqtt-${n}`, payload);
        client.publish('retagger/box/ingest', payload, { qos: 1 });
      }),
      load(async (n) => {
        const bytes = await jpeg(n);
        const form = new FormData();
        form.set('image', new Blob([new Uint8Array(bytes)]), 'h.jpg');
        const init = { method: 'POST', body: form };
        const answer = await fetch(`${box.url}/re-tagger`, init).catch(() => null);
        if (answer?.status === 200) accepted.http.set(`http-${n}`, sha256(bytes));
        await answer?.body?.cancel();
      }),
    ];

    const kills = { daemon: 0, worker: 0, broker: 0 };
    const total = () => kills.daemon + kills.worker + kills.broker;
    while (total() < many) {
      // In turn while it starts, and well into its work.
      if (next() < 0.6) await run.ready();
      await sleep(next() * 1200);
      expect(run.ended, run.output).toBe(false);
      const victim = next();
      if (victim < 0.45) {
        await run.kill();
        run = box.run();
        kills.daemon += 1;
      } else if (victim < 0.9) {
        if (killWorker(run.pid, next)) kills.worker += 1;
      } else if (client.connected) {
        await broker.down(next() < 0.5 ? 'SIGKILL' : 'SIGTERM');
        await sleep(next() * 1000);
        await broker.up();
        kills.broker += 1;
      }
    }
    loading = false;
    await Promise.all(loads);
    await Promise.all(drops);
    await run.ready();

    const handedIn = () => [...accepted.folder.values(), ...accepted.http.values()];
    const missing = () => {
      const hashes = new Set(results.map((result) => result.sha256));
      const refused = new Set(failures.map(({ file }) => file));
      const names = [...accepted.folder].filter(([, hash]) => !hashes.has(hash));
      return [
        ...names.map(([name]) => name).filter((name) => !refused.has(name)),
        ...[...accepted.http].filter(([, hash]) => !hashes.has(hash)).map(([name]) => name),
        ...[...sent.keys()].filter((id) => !answered().has(id)),
      ];
    };
    await eventually(() => client.connected);
    for (const [id, payload] of sent) {
      if (!answered().has(id)) client.publish('retagger/box/ingest', payload, { qos: 1 });
    }
    // However long it takes, as long as it goes on.
    for (let left = Number.POSITIVE_INFINITY; missing().length < left; ) {
      left = missing().length;
      await within(30_000, () => missing().length === 0);
    }
    expect(missing()).toEqual([]);
    for (const folder of ['spool', 'outbox']) {
      await within(60_000, async () => (await box.tree(folder)).length === 0);
      expect(await box.tree(folder)).toEqual([]);
    }
    expect(await run.terminate()).toBe(0);

    // Each photo of the folder is filed once: tagged, or failed with its error.
    expect(await box.tree('ingest')).toEqual([]);
    const sidecar = async (folder: string, name: string) =>
      JSON.parse(await readFile(join(box.dir, folder, name), 'utf8'));
    const sidecars = async (folder: string) =>
      Promise.all(
        (await box.tree(folder))
          .filter((name) => name.endsWith('.json') && !/^_(http|mqtt)\//.test(name))
          .map((name) => sidecar(folder, name)),
      );
    const [tagged, failed] = [await sidecars('tagged'), await sidecars('failed')];
    for (const { file, sha256 } of tagged) expect(accepted.folder.get(file)).toBe(sha256);
    const both = failed.filter(({ file }) => tagged.some((each) => each.file === file));
    expect(both).toEqual([]);
    expect([...tagged, ...failed].map(({ file }) => file).sort()).toEqual(
      [...accepted.folder.keys()].sort(),
    );
    const codes = new Set(failures.map(({ code }) => code));
    codes.delete('worker_crashed'); // three of our kills met the same photo
    expect([...codes]).toEqual(['image_corrupt']);
    // A repeat carries the id of the first.
    const folder = results.filter(({ source }) => source === 'folder');
    const ids = new Map(folder.map((result) => [result.sha256, result.id]));
    expect(folder.filter(({ id, sha256 }) => ids.get(sha256) !== id)).toEqual([]);
    const distinct = new Set([...results, ...failures].map(({ id }) => id)).size;
    const counts = {
      ...{ seed: SEED, kills, accepted: handedIn().length + sent.size },
      ...{
        tagged: tagged.length,
        failed: failed.length,
        mqtt: sent.size,
        http: accepted.http.size,
      },
      ...{ delivered: results.length + failures.length, distinct },
      ...{ repeated: results.length + failures.length - distinct, lost: missing().length },
    };
    process.stdout.write(`${JSON.stringify(counts)}\n`);
  },
  7_200_000,
);
