import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import type { Result } from '../../src/result.ts';
import { eventually, home, jpeg } from './harness.ts';
import { network } from './hosts.ts';

const BOXES = 4;
const PHOTOS = 200;

test(`${BOXES} boxes share one stream; one killed in the middle loses nothing`, async () => {
  const lan = await network();
  const start = async (box: Awaited<ReturnType<typeof home>>, at: readonly string[]) => {
    const run = box.run(at);
    await run.ready();
    await eventually(() => run.logs.some((line) => line.role === 'in'));
    return run;
  };
  const boxes = await Promise.all(
    Array.from({ length: BOXES }, async (_, i) => {
      const box = await home(['--mqtt-url', lan.url, '--node-id', `box-${i}`]);
      return { box, at: lan.host() };
    }),
  );
  const runs = [];
  for (const { box, at } of boxes) runs.push(await start(box, at));

  const client = await connectAsync(lan.url, { protocolVersion: 5 });
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  client.on('message', (_topic, payload) => results.push(JSON.parse(payload.toString())));
  await client.subscribeAsync('retagger/+/result', { qos: 1 });
  const ids = () => new Set(results.map(({ id }) => id));

  for (let n = 0; n < PHOTOS; n++) {
    const image = (await jpeg(n)).toString('base64');
    const payload = JSON.stringify({ id: `fleet-${n}`, image });
    await client.publishAsync('retagger/fleet/ingest', payload, { qos: 1 });
    if (n === PHOTOS / 2) {
      await runs[1]?.kill();
      await sleep(500);
      const [, second] = boxes;
      if (second) runs[1] = await start(second.box, second.at);
    }
  }
  await eventually(() => ids().size === PHOTOS);
  for (const run of runs) expect(await run.terminate(), run.story).toBe(0);
  const by = (node: string) => results.filter((result) => result.node === node).length;
  const counts = boxes.map((_, i) => by(`box-${i}`));
  process.stdout.write(
    `${JSON.stringify({ accepted: PHOTOS, answered: ids().size, results: results.length, counts })}\n`,
  );
  expect(counts.every((count) => count > 0)).toBe(true);
  for (const { box } of boxes) expect(await box.tree('spool')).toEqual([]);
});
