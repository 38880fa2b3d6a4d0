import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { mosquitto } from '../transport/mqtt/mosquitto.ts';
import { eventually, home, jpeg, type Run } from './harness.ts';
import { childrenOf } from './victims.ts';

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended meanwhile
  }
}

const post = async (url: string) => {
  const form = new FormData();
  form.set('image', new Blob([new Uint8Array(await jpeg(7))]), 'a.jpg');
  return fetch(`${url}/re-tagger`, { method: 'POST', body: form });
};

const engineOf = async (url: string) => {
  const answer = await fetch(`${url}/readyz`);
  const { checks } = (await answer.json()) as {
    checks: { engine: { ok: boolean; detail: string } };
  };
  return { status: answer.status, ...checks.engine };
};

test('a crash loop backs off, shows in /readyz, and is over when its cause is', async () => {
  const box = await home();
  const program = box.run();
  await program.ready();
  const killed = new Set<number>();
  const killer = setInterval(() => {
    for (const pid of childrenOf(program.pid)) {
      killed.add(pid);
      signal(pid, 'SIGKILL');
    }
  }, 20);
  onTestFinished(() => clearInterval(killer));
  const trouble = (state: string) =>
    eventually(async () => {
      const engine = await engineOf(box.url);
      return engine.status === 503 && !engine.ok && engine.detail.endsWith(state);
    });
  await trouble('restarting');
  await box.drop('waits.jpg', await jpeg(1));
  await trouble('failed');
  expect(await (await post(box.url)).json()).toMatchObject({ code: 'busy' });
  // The waits between the starts double: so few in so long.
  const starts = killed.size;
  await sleep(3500);
  expect(killed.size - starts).toBeLessThanOrEqual(1);
  clearInterval(killer);
  await eventually(async () => (await engineOf(box.url)).status === 200);
  expect((await post(box.url)).status).toBe(200);
  await eventually(async () => (await box.tree('tagged')).length === 2);
  expect(program.ended).toBe(false);
});

/** Photos of every door are waiting, and nobody moves: neither the worker nor the broker. */
async function stuck(): Promise<{
  box: Awaited<ReturnType<typeof home>>;
  program: Run;
  answer: Promise<Response>;
}> {
  const broker = await mosquitto();
  const box = await home(['--mqtt-url', broker.url]);
  await mkdir(box.ingest);
  const program = box.run();
  await program.ready();
  const client = await connectAsync(broker.url);
  client.on('error', () => {});
  onTestFinished(() => client.endAsync(true));
  for (const pid of childrenOf(program.pid)) signal(pid, 'SIGSTOP');
  for (let n = 0; n < 10; n++) {
    await box.drop(`${n}.jpg`, await jpeg(n));
    await client.publishAsync('retagger/box/ingest', await jpeg(100 + n), { qos: 1 });
  }
  // One that waits for its answer, one that uploads for ever, one that only listens.
  const answer = post(box.url);
  const slow = connect(Number(new URL(box.url).port), '127.0.0.1');
  slow.on('error', () => {});
  slow.write('POST /re-tagger HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9999\r\n');
  slow.write('content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n');
  onTestFinished(() => void slow.destroy());
  await eventually(async () => (await box.tree('spool')).length >= 41);
  broker.freeze();
  return { box, program, answer };
}

test('SIGTERM with worker and broker stuck: ends by itself, what was accepted is parked', async () => {
  const { box, program, answer } = await stuck();
  const from = performance.now();
  expect(await program.terminate()).toBe(0);
  process.stdout.write(`stopped after ${Math.round(performance.now() - from)} ms\n`);
  // Its own bound of 10 s did not have to end it.
  expect(program.logs.map(({ msg }) => msg)).toContain('stopped');
  const refused = await answer;
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
    503,
    'stopping',
  ]);
  const parked = (await box.tree('spool')).filter((name) => name.endsWith('.json'));
  expect(parked).toHaveLength(20);
});
