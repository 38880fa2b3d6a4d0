import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Result } from '../../src/result.ts';
import { eventually, home, jpeg } from './harness.ts';
import { network } from './hosts.ts';

/** How long each fault lasts, in seconds; docs/measurements.md has a run of minutes. */
const SECONDS = Number(process.env.NETWORK_SECONDS ?? 12);

async function setUp() {
  const host = await network();
  const results: Result[] = [];
  // On the broker's own host, where no fault reaches; it connects again by itself.
  const listener = host.beside('mosquitto_sub', '-q', '1', '-t', 'retagger/box/result');
  createInterface({ input: listener.stdout }).on('line', (line) => results.push(JSON.parse(line)));
  const box = await home(['--mqtt-url', host.url]);
  await mkdir(box.ingest, { recursive: true });
  const program = box.run();
  await program.ready();
  let number = 0;
  const drop = async (seconds: number) => {
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      await box.drop(`${number}.jpg`, await jpeg(number));
      number += 1;
      await sleep(200);
    }
  };
  const allArrived = async () => {
    const files = () => new Set(results.map(({ file }) => file));
    await eventually(() => files().size === number);
    await eventually(async () => (await box.tree('outbox')).length === 0);
    process.stdout.write(
      `${JSON.stringify({ test: expect.getState().currentTestName, photos: number, results: results.length, replayed: results.filter((result) => 'replayed' in result).length, lost: number - files().size })}\n`,
    );
  };
  await drop(1);
  await eventually(() => results.length === number);
  return { host, box, drop, allArrived };
}

const MINUTES = 60_000 + SECONDS * 10_000;

test(
  `a broker in a black hole for ${SECONDS} s`,
  async () => {
    const { host, drop, allArrived } = await setUp();
    const back = host.drop();
    await drop(SECONDS);
    back();
    await drop(2);
    await allArrived();
  },
  MINUTES,
);

test(
  `30 % of all packets lost for ${SECONDS} s`,
  async () => {
    const { host, drop, allArrived } = await setUp();
    const back = host.drop('-m', 'statistic', '--mode', 'random', '--probability', '0.3');
    await drop(SECONDS);
    back();
    await allArrived();
  },
  MINUTES,
);

test(
  'a half-open connection: the broker has forgotten it, and nobody told us',
  async () => {
    const { host, drop, allArrived } = await setUp();
    const back = host.drop();
    await host.restart();
    await drop(SECONDS);
    back();
    await drop(2);
    await allArrived();
  },
  MINUTES,
);
