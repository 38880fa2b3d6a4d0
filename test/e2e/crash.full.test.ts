import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { broker, eventually, home, jpeg, within } from './harness.ts';

/** How often the daemon is killed; the long run in the operating guide takes 500. */
const KILLS = Number(process.env.CRASH_KILLS ?? 10);
/** Repeat a failed run with the seed it printed. */
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

/** Mulberry32: the same seed makes the same plan. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test(`SIGKILL at ${KILLS} random moments under a mixed load, seed ${SEED}`, async () => {
  const next = random(SEED);
  const watch = await broker();
  const box = await home(['--mqtt-url', watch.url, '--ingest-rescan-s', '1']);
  await mkdir(box.ingest, { recursive: true });
  const client: MqttClient = await connectAsync(watch.url);
  onTestFinished(() => client.endAsync(true));

  // A broker keeps messages for a subscriber it knows; before the first run it knows none.
  const first = box.run();
  await first.ready();
  await eventually(() => watch.subscribed.has('retagger/box/ingest'));

  /** SHA-256 of the photo by what it was handed in as. */
  const accepted = { folder: new Map<string, string>(), mqtt: new Map(), http: new Map() };
  let number = 0;
  let loading = true;
  const load = async (each: () => Promise<void>) => {
    while (loading) {
      await each();
      await sleep(next() * 200);
    }
  };
  const loads = [
    load(async () => {
      const n = number++;
      const bytes = await jpeg(n);
      await box.drop(`${n}.jpg`, bytes);
      accepted.folder.set(`${n}.jpg`, sha256(bytes));
    }),
    load(async () => {
      const n = number++;
      const bytes = await jpeg(n);
      const payload = JSON.stringify({ id: `mqtt-${n}`, image: bytes.toString('base64') });
      await client.publishAsync('retagger/box/ingest', payload, { qos: 1 });
      accepted.mqtt.set(`mqtt-${n}`, sha256(bytes));
    }),
    load(async () => {
      const n = number++;
      const bytes = await jpeg(n);
      const form = new FormData();
      form.set('image', new Blob([new Uint8Array(bytes)]), 'h.jpg');
      const init = { method: 'POST', body: form };
      const answer = await fetch(`${box.url}/re-tagger`, init).catch(() => null);
      if (answer?.status === 200) accepted.http.set(`http-${n}`, sha256(bytes));
      await answer?.body?.cancel();
    }),
  ];

  for (let kill = 0; kill < KILLS; kill++) {
    const run = kill === 0 ? first : box.run();
    // In turn while it starts, and well into its work.
    if (kill % 2 === 0) await run.ready();
    await sleep(next() * 2000);
    expect(run.ended, run.story).toBe(false);
    await run.kill();
  }
  loading = false;
  await Promise.all(loads);
  const last = box.run();
  await last.ready();
  const delivered = () => new Set(watch.results.map((result) => result.sha256));
  const missing = () => {
    const there = delivered();
    return Object.values(accepted).flatMap((each) =>
      [...each].filter(([, hash]) => !there.has(hash)).map(([name]) => name),
    );
  };
  // However long it takes, as long as it goes on.
  for (let left = Number.POSITIVE_INFINITY; missing().length < left; ) {
    left = missing().length;
    await within(30_000, () => missing().length === 0);
  }
  expect(missing()).toEqual([]);
  await within(60_000, async () => (await box.tree('spool')).length === 0);
  expect(await box.tree('spool')).toEqual([]);
  expect(await last.terminate()).toBe(0);

  expect(watch.failures).toEqual([]);
  expect(await box.tree('ingest')).toEqual([]);
  expect(await box.tree('outbox')).toEqual([]);
  const sidecars = (await box.tree('tagged')).filter((name) => name.endsWith('.json'));
  const filed: string[] = [];
  for (const name of sidecars) {
    const story = JSON.parse(await readFile(join(box.dir, 'tagged', name), 'utf8'));
    filed.push(story.file);
    expect(accepted.folder.get(story.file)).toBe(story.sha256);
  }
  expect(filed.sort()).toEqual([...accepted.folder.keys()].sort());
  // A repeat carries the id of the first.
  const ids = new Map(watch.results.map((result) => [result.sha256, result.id]));
  const folder = watch.results.filter(({ source }) => source === 'folder');
  expect(folder.filter(({ id, sha256 }) => ids.get(sha256) !== id)).toEqual([]);
  const sizes = Object.fromEntries(
    Object.entries(accepted).map(([source, each]) => [source, each.size]),
  );
  process.stdout.write(
    `${JSON.stringify({ seed: SEED, kills: KILLS, accepted: sizes, delivered: delivered().size, repeated: watch.results.length - new Set(watch.results.map(({ id }) => id)).size, lost: 0 })}\n`,
  );
}, 3_600_000);
