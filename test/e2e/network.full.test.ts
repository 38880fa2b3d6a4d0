import { execFileSync, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Result } from '../../src/result.ts';
import { eventually, home, jpeg, temporaryDir } from './harness.ts';

/** How long each fault lasts, in seconds; docs/measurements.md has a run of minutes. */
const SECONDS = Number(process.env.NETWORK_SECONDS ?? 12);
const PORT = 1883;

/** Needs root: network namespaces are how one machine becomes two. */
const run = (...command: string[]) => execFileSync(command[0] as string, command.slice(1));

let hosts = 0;

/** A second host with Mosquitto on it, a cable to this one, and a subscriber on the broker's side. */
async function brokerHost() {
  const number = (process.pid + hosts++) % 200;
  const name = `retagger${number}`;
  const [ours, theirs] = [`10.213.${number}.1`, `10.213.${number}.2`];
  const [cable, end] = [`rt${number}a`, `rt${number}b`];
  run('ip', 'netns', 'add', name);
  onTestFinished(() => void run('ip', 'netns', 'del', name));
  run('ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', end, 'netns', name);
  run('ip', 'addr', 'add', `${ours}/24`, 'dev', cable);
  run('ip', 'link', 'set', cable, 'up');
  const there = (...command: string[]) => run('ip', 'netns', 'exec', name, ...command);
  there('ip', 'addr', 'add', `${theirs}/24`, 'dev', end);
  for (const link of [end, 'lo']) there('ip', 'link', 'set', link, 'up');
  const conf = join(await temporaryDir(), 'mosquitto.conf');
  await writeFile(conf, `listener ${PORT}\nallow_anonymous true\nlog_dest none\n`);
  const program = (...command: string[]) => {
    const child = spawn('ip', ['netns', 'exec', name, ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  let broker = program('mosquitto', '-c', conf);
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(PORT, theirs, () => resolve(true)).on('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  await eventually(answers);
  const results: Result[] = [];
  // On the broker's own host, where no fault reaches; it connects again by itself.
  const listener = program('mosquitto_sub', '-q', '1', '-t', 'retagger/box/result');
  createInterface({ input: listener.stdout }).on('line', (line) => results.push(JSON.parse(line)));
  const rule = (action: string, chain: string, ...match: string[]) =>
    there('iptables', action, chain, '-p', 'tcp', '!', '-i', 'lo', ...match, '-j', 'DROP');
  const out = (action: string, ...match: string[]) =>
    there('iptables', action, 'OUTPUT', '-p', 'tcp', '!', '-o', 'lo', ...match, '-j', 'DROP');
  return {
    url: `mqtt://${theirs}:${PORT}`,
    results,
    /** Drops packets both ways, without a word. */
    drop(...match: string[]) {
      rule('-A', 'INPUT', ...match);
      out('-A', ...match);
      return () => {
        rule('-D', 'INPUT', ...match);
        out('-D', ...match);
      };
    },
    async restart() {
      broker.kill('SIGKILL');
      await sleep(200);
      broker = program('mosquitto', '-c', conf);
      await sleep(500);
    },
  };
}

async function setUp() {
  const host = await brokerHost();
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
    const files = () => new Set(host.results.map(({ file }) => file));
    await eventually(() => files().size === number);
    await eventually(async () => (await box.tree('outbox')).length === 0);
    process.stdout.write(
      `${JSON.stringify({ test: expect.getState().currentTestName, photos: number, results: host.results.length, replayed: host.results.filter((result) => 'replayed' in result).length, lost: number - files().size })}\n`,
    );
  };
  await drop(1);
  await eventually(() => host.results.length === number);
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
