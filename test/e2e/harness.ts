import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Aedes } from 'aedes';
import sharp from 'sharp';
import { onTestFinished } from 'vitest';
import type { Failure, Result } from '../../src/result.ts';
import { eventually } from '../eventually.ts';
import { temporaryDir } from '../temporary-dir.ts';

export { eventually, temporaryDir };

/** The built program: `npm test` builds it first. */
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

/**
 * A range of its own for every test process, also of a run beside this one, below the ports that
 * systems give out themselves: between two runs of a daemon its port must stay free.
 */
let nextPort = 20_000 + (process.pid % 120) * 100;

/** A port that is free now and that no other test is given. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const port = nextPort++;
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

export type LogLine = { msg: string; level: string } & Record<string, unknown>;

/** As `eventually`, but gives up: what the test then expects tells what is missing. */
export async function within(ms: number, ready: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end && !(await ready())) await sleep(50);
}

/** One run of `retagger run`. */
export class Run {
  readonly logs: LogLine[] = [];
  stderr = '';
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;

  /** @param before what the command begins with, to run it elsewhere. */
  constructor(flags: readonly string[], before: readonly string[] = []) {
    const [command = '', ...args] = [...before, process.execPath, CLI, 'run', ...flags];
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Object.fromEntries(
        // What the developer has set for their own daemon is not this test's.
        Object.entries(process.env).filter(([name]) => !name.startsWith('RETAGGER_')),
      ),
    });
    this.#exit = once(this.#child, 'close').then(([code]) => code as number | null);
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('{')) this.logs.push(JSON.parse(line) as LogLine);
    });
    this.#child.stderr?.on('data', (data) => {
      this.stderr += data;
    });
    onTestFinished(() => this.kill());
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** @returns the line in which it says that it is ready. @throws Error with its output else. */
  async ready(): Promise<LogLine> {
    const find = () => this.logs.find(({ msg }) => msg === 'ready');
    await eventually(() => find() !== undefined || this.ended);
    const line = find();
    if (line) return line;
    throw new Error(`it ended: ${this.output}`);
  }

  /** What it said, for a test that fails. */
  get output(): string {
    return `${this.stderr}\n${this.logs.map((line) => JSON.stringify(line)).join('\n')}`;
  }

  exitCode(): Promise<number | null> {
    return this.#exit;
  }

  async terminate(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#exit;
  }

  /** As a power cut does it to a process. */
  async kill(): Promise<void> {
    if (!this.ended) this.#child.kill('SIGKILL');
    await this.#exit;
  }
}

/** A data folder and ports of its own, for one or more runs. */
export async function home(more: readonly string[] = []) {
  const dir = await temporaryDir();
  const [http, mqtt] = [await freePort(), await freePort()];
  const flags = ['--data-dir', dir, '--http-port', `${http}`, '--mqtt-port', `${mqtt}`];
  return {
    dir,
    ingest: join(dir, 'ingest'),
    url: `http://127.0.0.1:${http}`,
    broker: `mqtt://127.0.0.1:${mqtt}`,
    run: (before: readonly string[] = []) =>
      new Run([...flags, '--node-id', 'box', ...more], before),
    /** Files below a folder of the data folder. */
    tree: async (...path: string[]): Promise<string[]> => {
      const options = { recursive: true, withFileTypes: true } as const;
      const entries = await readdir(join(dir, ...path), options).catch(() => []);
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, ...path).length + 1))
        .sort();
    },
    /** A finished file, moved in. */
    drop: async (name: string, bytes: Uint8Array): Promise<void> => {
      const hidden = join(dir, 'ingest', `.${name.replaceAll('/', '_')}`);
      await writeFile(hidden, bytes);
      await rename(hidden, join(dir, 'ingest', name));
    },
  };
}

/** A small JPEG unlike any other number's. */
export async function jpeg(number: number): Promise<Buffer> {
  const [r, g, b] = [(number * 53) % 256, (number * 97) % 256, (number * 193) % 256];
  // Never the colour of the ground: where it lies tells numbers of one colour apart.
  const background = { r: r ^ 128, g: g ^ 128, b: b ^ 128 };
  const stripe = { create: { width: 20, height: 90, channels: 3 as const, background } };
  return sharp({ create: { width: 160, height: 120, channels: 3, background: { r, g, b } } })
    .composite([{ input: stripe, left: number % 140, top: number % 30 }])
    .jpeg({ quality: 80 })
    .toBuffer();
}

/** A real broker in the test's own process: it outlives the daemon and counts what arrives. */
export async function broker() {
  const aedes = await Aedes.createBroker();
  const server = createServer(aedes.handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const results: Result[] = [];
  const failures: Failure[] = [];
  const states: string[] = [];
  const subscribed = new Set<string>();
  aedes.on('subscribe', (list) => {
    for (const { topic } of list) subscribed.add(topic);
  });
  aedes.on('publish', (packet) => {
    const payload = () => JSON.parse(packet.payload.toString());
    if (packet.topic.endsWith('/result')) results.push(payload());
    if (packet.topic.endsWith('/error')) failures.push(payload());
    if (packet.topic.endsWith('/status')) states.push(payload().state);
  });
  onTestFinished(async () => {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `mqtt://127.0.0.1:${port}`, results, failures, states, subscribed };
}
