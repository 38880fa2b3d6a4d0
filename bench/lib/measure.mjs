import { setTimeout as sleep } from 'node:timers/promises';
import { treePss } from '../process-tree.mjs';
import { load, post } from './load.mjs';
import { percentile } from './percentile.mjs';
import { launch, withDataFolder } from './servers.mjs';

const START_MS = 120_000;
const IDLE_MS = 2000;
const CLIENTS = 8;
const WARM_SECONDS = 4;

/** Milliseconds from the start of the program to its first answer. */
async function firstTag(server, from, body) {
  while (performance.now() - from < START_MS) {
    if (!server.running) throw new Error('the program ended at once (BENCH_VERBOSE=1 shows why)');
    const answer = await post(server.url, body).catch(() => null);
    if (answer?.status === 200) return performance.now() - from;
    await sleep(10);
  }
  throw new Error(`no answer after ${START_MS} ms`);
}

/** Starts a server, calls `work` with it and the milliseconds to its first answer, and stops it. */
export async function withServer(program, data, body, work) {
  const from = performance.now();
  const server = await launch(program, data);
  try {
    return await work(server, await firstTag(server, from, body));
  } finally {
    await server.stop();
  }
}

/** The same after a start that does not count: caches on disk are there at every later one, as on a box. */
const restarted = (program, body, work) =>
  withDataFolder(async (data) => {
    await withServer(program, data, body, () => sleep(IDLE_MS)); // what it writes beside the first photos
    return withServer(program, data, body, work);
  });

/** @returns what `work` does, and the most memory of the whole tree meanwhile. */
async function withPeak(pid, work) {
  let peak = 0;
  const look = async () => {
    peak = Math.max(peak, await treePss(pid));
  };
  const timer = setInterval(look, 1000);
  try {
    const result = await work();
    await look();
    return [result, peak];
  } finally {
    clearInterval(timer);
  }
}

/** One server, once: times in ms, memory in MiB. */
export const measure = (program, bodies, seconds) =>
  restarted(program, bodies['2mp'][0], async (server, start) => {
    await sleep(IDLE_MS);
    const idle = await treePss(server.pid);
    const [sizes, loaded] = await withPeak(server.pid, async () => {
      const measured = {};
      for (const [size, list] of Object.entries(bodies)) {
        const { times } = await load({ ...server, bodies: list, clients: 1, seconds });
        const [p50, p95, p99] = [0.5, 0.95, 0.99].map((p) => percentile(times, p));
        measured[size] = { p50, p95, p99 };
      }
      for (const [size, list] of Object.entries(bodies)) {
        // What it does when a crowd has come, not while it comes.
        await load({ ...server, bodies: list, clients: CLIENTS, seconds: WARM_SECONDS });
        const { perSecond } = await load({ ...server, bodies: list, clients: CLIENTS, seconds });
        measured[size].perSecond = perSecond;
      }
      return measured;
    });
    return { start, idle, loaded, sizes };
  });

/** Memory in MiB after every thousand of 10,000 photos from eight clients. */
export const measureLong = (program, bodies) =>
  restarted(program, bodies[0], async (server) => {
    const memory = [];
    for (let thousand = 0; thousand < 10; thousand++) {
      const samples = [];
      for (let hundred = 0; hundred < 10; hundred++) {
        await load({ ...server, bodies, clients: CLIENTS, count: 100 });
        samples.push(await treePss(server.pid));
      }
      memory.push(percentile(samples, 0.5));
    }
    return memory;
  });
