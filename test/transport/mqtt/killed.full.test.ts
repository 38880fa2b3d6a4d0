import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { temporaryDir } from '../../daemon/support.ts';
import { mosquitto, withoutMqtt5 } from './mosquitto.ts';
import { connected, listener } from './support.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Below node_modules, so that the compiled program finds its packages. */
let cache = '';

beforeAll(() => {
  cache = mkdtempSync(join(root, 'node_modules', '.retagger-test-'));
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const built = ['--outDir', join(cache, 'dist'), '--sourceMap', 'false'];
  execFileSync(tsc, ['-p', join(root, 'tsconfig.build.json'), ...built]);
  cpSync(join(root, 'package.json'), join(cache, 'package.json'));
});
afterAll(() => rmSync(cache, { recursive: true, force: true }));

async function door(dir: string, url: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./child-door.mjs', import.meta.url));
  const child = spawn(process.execPath, [script, join(cache, 'dist'), dir, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (child.stdout) await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

test.each([5, 4] as const)('SIGKILL: the will says offline (MQTT %i)', async (version) => {
  const broker = await mosquitto();
  const url = version === 5 ? broker.url : await withoutMqtt5(broker.port);
  const sub = await listener(broker.url, ['retagger/box/status']);
  const child = await door(await temporaryDir(), url);
  await sub.first('/status');
  await kill(child);
  const states = (await sub.first('/status', 2)).map(({ json }) => json.state);
  expect(states).toEqual(['online', 'offline']);
  await door(await temporaryDir(), url);
  expect((await sub.first('/status', 3))[2]?.json).toMatchObject({ state: 'online' });
});

test('SIGKILL at any moment: every photo is stored, and each has one id', async () => {
  const PHOTOS = 400;
  const broker = await mosquitto();
  const dir = await temporaryDir();
  const sub = await listener(broker.url, ['retagger/box/status']);
  let child = await door(dir, broker.url);
  await sub.first('/status');
  const sender = await connected(broker.url);
  const sending = Promise.all(
    Array.from({ length: PHOTOS }, async (_, n) => {
      await sleep(n * 10);
      await sender.publishAsync('retagger/box/ingest', `photo ${n}`, { qos: 1 });
    }),
  );
  for (let n = 0; n < 8; n++) {
    await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400));
    await kill(child);
    child = await door(dir, broker.url);
  }
  await sending;
  const ids = () => readdirSync(dir).filter((name) => name.endsWith('.id'));
  await expect.poll(() => ids().length).toBe(PHOTOS);
  // Time for a repeat to show.
  await sleep(1000);
  expect(ids()).toHaveLength(PHOTOS);
});
