import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { disk } from '../../../src/daemon/disk.ts';
import { filedMs, Retention } from '../../../src/daemon/filing/retention.ts';
import { eventually, silent, temporaryDir } from '../support.ts';

const DAY_MS = 86_400_000;

async function box(...files: string[]) {
  const dir = await temporaryDir();
  const put = async (...paths: string[]) => {
    for (const path of paths) {
      await mkdir(join(dir, path, '..'), { recursive: true });
      await writeFile(join(dir, path), 'photo');
    }
  };
  await put(...files);
  // Times of files come from the kernel's coarser clock.
  await sleep(30);
  return {
    dir,
    put,
    tree: async () => (await readdir(dir, { recursive: true })).sort(),
    /** Days after what is there now was filed. */
    days: (days: number) => Date.now() - 10 + days * DAY_MS,
  };
}

test('what was filed so many days ago goes, with sidecars and empty folders; the rest stays', async () => {
  const { dir, put, tree, days } = await box(
    'tagged/hall/monday/1.jpg',
    'tagged/hall/monday/1.jpg.json',
    'tagged/hall/2.jpg',
    'failed/3.jpg',
    'spool/4.photo',
    'ingest/5.jpg',
  );
  const now = days(30);
  await sleep(30);
  await put('tagged/hall/6.jpg', 'failed/7.jpg');
  const retention = new Retention(dir, 30, silent);
  expect(await retention.sweep(days(29))).toEqual({ files: 0, bytes: 0, left: 0 });
  expect(await retention.sweep(now)).toEqual({ files: 4, bytes: 20, left: 0 });
  expect(await tree()).toEqual([
    ...['failed', 'failed/7.jpg', 'ingest', 'ingest/5.jpg', 'spool', 'spool/4.photo'],
    ...['tagged', 'tagged/hall', 'tagged/hall/6.jpg'],
  ]);
});

test('a folder that was just made stays: it is about to be filled', async () => {
  const { dir, tree, days } = await box('tagged/hall/old.jpg');
  const now = days(1);
  await sleep(30);
  await mkdir(join(dir, 'tagged/hall/new'));
  await new Retention(dir, 1, silent).sweep(now);
  expect(await tree()).toEqual(['tagged', 'tagged/hall', 'tagged/hall/new']);
});

test('the clock jumps years ahead: what was filed just before stays, until it has lain for its days', async () => {
  const { dir, tree, days } = await box('tagged/hall/1.jpg', 'failed/2.jpg');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  onTestFinished(() => void vi.useRealTimers());
  const retention = new Retention(dir, 30, silent);
  const jumped = days(3650);
  vi.setSystemTime(jumped);
  expect(await retention.sweep()).toMatchObject({ files: 0 });
  // After a restart, too.
  const next = new Retention(dir, 30, silent);
  await next.start();
  await next.sweep();
  await next.stop();
  expect(await tree()).toContain('tagged/hall/1.jpg');
  expect(await retention.sweep(jumped + 29 * DAY_MS)).toMatchObject({ files: 0 });
  expect(await retention.sweep(jumped + 31 * DAY_MS)).toMatchObject({ files: 2 });
});

test('such a jump is noticed within a minute, not only when it is time to look for old photos', async () => {
  const { dir, tree, days } = await box('tagged/hall/1.jpg');
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: Date.now() });
  onTestFinished(() => void vi.useRealTimers());
  const retention = new Retention(dir, 30, silent);
  await retention.start();
  vi.setSystemTime(days(3650));
  vi.advanceTimersByTime(60_000);
  await eventually(() => existsSync(join(dir, 'clock.json')));
  await retention.stop();
  const next = new Retention(dir, 30, silent);
  await next.start();
  await next.sweep();
  await next.stop();
  expect(await tree()).toContain('tagged/hall/1.jpg');
});

test('links are deleted, not followed; folders that are not there are no fault', async () => {
  const { dir, tree, days } = await box('elsewhere/mine.jpg', 'tagged/hall/1.jpg');
  await symlink(join(dir, 'elsewhere'), join(dir, 'tagged/hall/album'));
  await sleep(30);
  expect(await new Retention(dir, 1, silent).sweep(days(1))).toMatchObject({ files: 2, left: 0 });
  expect(await tree()).toEqual(['elsewhere', 'elsewhere/mine.jpg', 'tagged']);
});

test('what cannot be deleted is counted, and stops nothing', async () => {
  const { dir, tree, days } = await box('tagged/bath/1.jpg', 'tagged/hall/2.jpg');
  const { remove } = disk;
  const spy = vi.spyOn(disk, 'remove').mockImplementation(async (path) => {
    if (path.includes('bath')) throw Object.assign(new Error('no rights'), { code: 'EACCES' });
    return remove(path);
  });
  onTestFinished(() => spy.mockRestore());
  expect(await new Retention(dir, 1, silent).sweep(days(1))).toMatchObject({ files: 1, left: 1 });
  expect(await tree()).toEqual(['tagged', 'tagged/bath', 'tagged/bath/1.jpg']);
});

test('what somebody else has removed meanwhile is no fault, a folder that cannot be read is one', async () => {
  const { dir, days } = await box('tagged/hall/1.jpg', 'failed/2.jpg');
  const { remove } = disk;
  const spy = vi.spyOn(disk, 'remove').mockImplementation(async (path) => {
    await remove(path);
    return remove(path);
  });
  onTestFinished(() => spy.mockRestore());
  await rm(join(dir, 'failed'), { recursive: true });
  await writeFile(join(dir, 'failed'), 'no folder');
  expect(await new Retention(dir, 1, silent).sweep(days(1))).toEqual({
    ...{ files: 0, bytes: 0, left: 1 },
  });
});

test('the log tells of what went and of what did not, and nothing else', async () => {
  const lines: unknown[] = [];
  const log = pino(
    { base: null, timestamp: false },
    { write: (line) => lines.push(JSON.parse(line)) },
  );
  const { dir, days } = await box('tagged/hall/1.jpg', 'tagged/hall/2.jpg');
  const retention = new Retention(dir, 1, log);
  await retention.sweep();
  expect(lines).toEqual([]);
  await writeFile(join(dir, 'failed'), 'no folder');
  await retention.sweep(days(1));
  expect(lines).toEqual([
    { level: 30, files: 2, bytes: 10, days: 1, msg: 'old photos deleted' },
    { level: 40, left: 1, msg: 'old photos could not be deleted' },
  ]);
});

test('stopped in the middle it leaves the rest for another day', async () => {
  const { dir, tree, days } = await box('tagged/hall/1.jpg', 'tagged/hall/2.jpg');
  const retention = new Retention(dir, 1, silent);
  await retention.stop();
  await retention.sweep(days(1));
  expect(await tree()).toHaveLength(4);
});

test('it looks at its start and every hour, until it is stopped', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const retention = new Retention(await temporaryDir(), 1, silent);
  const sweep = vi.spyOn(retention, 'sweep');
  await retention.start();
  for (const times of [1, 2, 3]) {
    expect(sweep).toHaveBeenCalledTimes(times);
    await sweep.mock.results.at(-1)?.value;
    await vi.advanceTimersByTimeAsync(3_600_000);
  }
  await sweep.mock.results.at(-1)?.value;
  // Between one look and the next.
  await vi.advanceTimersByTimeAsync(1);
  await retention.stop();
  await vi.advanceTimersByTimeAsync(10 * 3_600_000);
  expect(sweep).toHaveBeenCalledTimes(4);
});

test('on FAT a photo was filed when it was made there, not when it was taken', () => {
  expect(filedMs({ ctimeMs: 100, birthtimeMs: 5000 })).toBe(5000);
  // Elsewhere a rename changes it; some file systems do not know when a file was made.
  expect(filedMs({ ctimeMs: 5000, birthtimeMs: 100 })).toBe(5000);
  expect(filedMs({ ctimeMs: 5000, birthtimeMs: 0 })).toBe(5000);
});
