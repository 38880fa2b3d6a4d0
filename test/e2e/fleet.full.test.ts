import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import type { Result } from '../../src/result.ts';
import { eventually, home, jpeg } from './harness.ts';
import { network } from './hosts.ts';

/** Boxes as hosts of their own, one Mosquitto, one stream of photos for whichever box is free. */

const BOXES = 4;
const PHOTOS = 200;

/** @param before what bounds it. */
async function boxOn(
  lan: Awaited<ReturnType<typeof network>>,
  i: number,
  before: readonly string[] = [],
) {
  const box = await home(['--mqtt-url', lan.url, '--node-id', `box-${i}`]);
  const at = [...lan.host(), ...before];
  return {
    node: `box-${i}`,
    tree: box.tree,
    async start() {
      const run = box.run(at);
      await run.ready();
      await eventually(() => run.logs.some((line) => line.role === 'in'));
      return run;
    },
  };
}

/** Who sends photos and counts results. */
async function office(url: string) {
  const client = await connectAsync(url, { protocolVersion: 5 });
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  client.on('message', (_topic, payload) => results.push(JSON.parse(payload.toString())));
  await client.subscribeAsync('retagger/+/result', { qos: 1 });
  return {
    results,
    ids: () => new Set(results.map(({ id }) => id)),
    by: (node: string) => results.filter((result) => result.node === node).length,
    send: (payload: string) => client.publishAsync('retagger/fleet/ingest', payload, { qos: 1 }),
  };
}

const payloads = Promise.all(
  Array.from({ length: PHOTOS }, async (_, n) =>
    JSON.stringify({ id: `fleet-${n}`, image: (await jpeg(n)).toString('base64') }),
  ),
);

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

test(`${BOXES} boxes share one stream; one killed in the middle loses nothing`, async () => {
  const lan = await network();
  const boxes = await Promise.all(Array.from({ length: BOXES }, (_, i) => boxOn(lan, i)));
  const runs = [];
  for (const box of boxes) runs.push(await box.start());
  const { send, ids, by, results } = await office(lan.url);
  for (const [n, payload] of (await payloads).entries()) {
    await send(payload);
    if (n === PHOTOS / 2) {
      await runs[1]?.kill();
      await sleep(500);
      const [, second] = boxes;
      if (second) runs[1] = await second.start();
    }
  }
  await eventually(() => ids().size === PHOTOS);
  for (const run of runs) expect(await run.terminate(), run.output).toBe(0);
  const counts = boxes.map(({ node }) => by(node));
  print({ accepted: PHOTOS, answered: ids().size, results: results.length, counts });
  expect(counts.every((count) => count > 0)).toBe(true);
  for (const { tree } of boxes) expect(await tree('spool')).toEqual([]);
});

test('1, 2 and 4 boxes of one core: all take part, and how fast they are is printed', async () => {
  const cores = availableParallelism();
  for (const count of [1, 2, 4]) {
    const lan = await network();
    const boxes = await Promise.all(
      Array.from({ length: count }, async (_, i) =>
        boxOn(lan, i, ['taskset', '-c', `${i % cores}`]),
      ),
    );
    const runs = await Promise.all(boxes.map((box) => box.start()));
    const { send, ids, by } = await office(lan.url);
    const ready = await payloads;
    const began = performance.now();
    await Promise.all(ready.map(send));
    await eventually(() => ids().size === PHOTOS);
    const perSecond = Number(((1000 * PHOTOS) / (performance.now() - began)).toFixed(1));
    const counts = boxes.map(({ node }) => by(node));
    print({ boxes: count, cores: Math.min(count, cores), photos: PHOTOS, perSecond, counts });
    expect(counts.every((each) => each > 0)).toBe(true);
    for (const run of runs) expect(await run.terminate(), run.output).toBe(0);
  }
});

test('the share of a box that is stopped waits for it: nothing is lost, and the other goes on', async () => {
  const lan = await network();
  const [first, second] = await Promise.all([0, 1].map((i) => boxOn(lan, i)));
  if (!first || !second) throw new Error('two boxes');
  const stopped = await first.start();
  await second.start();
  const { send, by, ids, results } = await office(lan.url);
  expect(await stopped.terminate(), stopped.output).toBe(0);
  const photos = (await payloads).slice(0, 40);
  for (const payload of photos) await send(payload);
  await eventually(() => by('box-1') >= 20);
  await first.start();
  await eventually(() => ids().size === 40);
  print({ photos: 40, results: results.length, counts: [by('box-0'), by('box-1')] });
});
