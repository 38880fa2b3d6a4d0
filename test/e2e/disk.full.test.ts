import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, home, jpeg } from './harness.ts';

/** Needs root: a data folder on a disk of its own (tmpfs), which can be filled and made read-only. */
async function smallDisk(...flags: string[]) {
  const box = await home(flags);
  const disk = (...options: string[]) => execFileSync('mount', [...options, box.dir]);
  disk('-t', 'tmpfs', '-o', 'size=24m', 'tmpfs');
  onTestFinished(() => void execFileSync('umount', ['--lazy', box.dir]));
  await mkdir(box.ingest);
  const program = box.run();
  await program.ready();
  const ready = async () => {
    const answer = await fetch(`${box.url}/readyz`);
    const { checks } = (await answer.json()) as { checks: { disk: { ok: boolean } } };
    return { status: answer.status, disk: checks.disk };
  };
  await eventually(async () => (await ready()).status === 200);
  const post = async () => {
    const form = new FormData();
    form.set('image', new Blob([new Uint8Array(await jpeg(7))]), 'a.jpg');
    return fetch(`${box.url}/re-tagger`, { method: 'POST', body: form });
  };
  return { box, program, ready, post, disk, filler: join(box.dir, 'filler') };
}

type Small = Awaited<ReturnType<typeof smallDisk>>;

/** What the callers and the log hear while nothing can be stored. */
async function refuses({ ready, post, program }: Small): Promise<void> {
  await eventually(async () => {
    const answer = await post();
    if (answer.status === 200) return false;
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({ code: 'busy' });
    return true;
  });
  expect(await ready()).toMatchObject({ status: 503, disk: { ok: false } });
  expect(program.logs.map(({ msg }) => msg)).toContain(
    'nothing is accepted until the disk is well again',
  );
}

/** By itself, once the cause is gone. */
async function recovers({ ready, post, program }: Small): Promise<void> {
  await eventually(async () => (await ready()).status === 200);
  expect((await post()).status).toBe(200);
  expect(program.logs.map(({ msg }) => msg)).toContain('photos are accepted again');
  expect(program.ended).toBe(false);
}

async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

test('less free than the limit: photos wait in the folder and with their sender, then go on', async () => {
  const small = await smallDisk('--limits-disk-free-bytes', String(8 * 2 ** 20));
  const { box, filler } = small;
  const client = await connectAsync(box.broker, { reconnectPeriod: 100 });
  client.on('error', () => {});
  onTestFinished(() => client.endAsync(true));
  await writeFile(filler, Buffer.alloc((await freeBytes(box.dir)) - 4 * 2 ** 20));
  await refuses(small);
  await box.drop('waits.jpg', await jpeg(1));
  let acknowledged = false;
  const sending = client.publishAsync('retagger/box/ingest', await jpeg(2), { qos: 1 });
  void sending.then(() => {
    acknowledged = true;
  });
  await sleep(4000);
  expect(await box.tree('ingest')).toEqual(['waits.jpg']);
  expect(acknowledged).toBe(false);
  await rm(filler);
  await recovers(small);
  await sending;
  await eventually(async () => (await box.tree('tagged')).length === 2);
});

test('not a byte left (ENOSPC): nothing is lost, and it goes on when there is room', async () => {
  const small = await smallDisk('--limits-disk-free-bytes', '0');
  const { box, filler, program } = small;
  for (let n = 0; n < 30; n++) await box.drop(`${n}.jpg`, await jpeg(n));
  await eventually(async () => (await box.tree('tagged')).length > 6);
  execFileSync('sh', ['-c', `cat /dev/zero >"${filler}" 2>/dev/null; true`]);
  await refuses(small);
  // Names need room too, but not on every file system.
  await box.drop('later.jpg', new Uint8Array()).catch(() => {});
  await rm(filler);
  await recovers(small);
  const photos = async () => (await box.tree('tagged')).filter((name) => name.endsWith('.jpg'));
  await eventually(async () => (await photos()).length === 30);
  for (const folder of ['spool', 'outbox']) {
    await eventually(async () => (await box.tree(folder)).length === 0);
  }
  for (const name of await photos()) {
    expect(
      JSON.parse(await readFile(join(box.dir, 'tagged', `${name}.json`), 'utf8')),
    ).toHaveProperty('tag');
  }
  expect(await program.terminate()).toBe(0);
});

test('read-only for a while, as the kernel makes a disk with errors', async () => {
  // Nothing is open for writing then.
  const small = await smallDisk('--limits-disk-free-bytes', '0', '--mqtt-enabled', 'false');
  await eventually(() => {
    try {
      small.disk('-o', 'remount,ro');
      return true;
    } catch {
      return false;
    }
  });
  await refuses(small);
  small.disk('-o', 'remount,rw');
  await small.box.drop('a.jpg', await jpeg(3));
  await recovers(small);
  await eventually(async () => (await small.box.tree('tagged')).length === 2);
});
