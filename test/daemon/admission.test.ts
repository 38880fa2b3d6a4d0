import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Admission, type Load } from '../../src/daemon/admission.ts';
import { disk } from '../../src/daemon/disk.ts';
import { HomeDisk } from '../../src/daemon/home-disk.ts';
import { configIn, eventually, silent, temporaryDir } from './support.ts';

const idle: Load = {
  pending: { http: 0, mqtt: 0, folder: 0 },
  spoolBytes: 0,
  outbox: 0,
  ready: true,
  stopping: false,
};

async function admission(limits: object = {}) {
  const dir = await temporaryDir();
  return { dir, guard: new Admission(configIn(dir, { limits }).limits, new HomeDisk(dir), silent) };
}

describe('admission', () => {
  test('says which bound is reached', async () => {
    const { guard } = await admission({ queue: 100, outbox: 50, upload_bytes: 1024 });
    await guard.measure();
    expect(guard.refusal('http', idle)).toBeNull();
    expect(guard.refusal('http', { ...idle, stopping: true })).toBe('stopping');
    expect(guard.refusal('http', { ...idle, ready: false })).toBe('not_ready');
    expect(guard.refusal('http', { ...idle, outbox: 50 })).toBe('outbox_full');
    expect(guard.refusal('http', { ...idle, spoolBytes: 16 * 1024 })).toBe('queue_full');
    const full = { ...idle, pending: { http: 25, mqtt: 50, folder: 25 } };
    expect(guard.refusal('http', full)).toBe('queue_full');
  });

  test('counts the messages that pending photos will make', async () => {
    const { guard } = await admission({ outbox: 10 });
    const load = { ...idle, pending: { http: 2, mqtt: 2, folder: 1 } };
    expect(guard.refusal('http', { ...load, outbox: 4 })).toBeNull();
    expect(guard.refusal('http', { ...load, outbox: 5 })).toBe('outbox_full');
  });

  test('leaves room for HTTP beside a backlog, and one place for each in the smallest queue', async () => {
    const { guard } = await admission({ queue: 100 });
    const backlog = { ...idle, pending: { http: 0, mqtt: 50, folder: 25 } };
    expect(guard.refusal('folder', backlog)).toBe('queue_full');
    expect(guard.refusal('mqtt', backlog)).toBe('queue_full');
    expect(guard.refusal('http', backlog)).toBeNull();
    const { guard: small } = await admission({ queue: 1 });
    for (const source of ['http', 'mqtt', 'folder'] as const) {
      expect(small.refusal(source, idle)).toBeNull();
    }
  });

  test('accepts nothing on a full or missing disk, and says what to do about it', async () => {
    const { guard } = await admission({ disk_free_bytes: Number.MAX_SAFE_INTEGER });
    await guard.start();
    await guard.stop();
    expect(guard.refusal('folder', idle)).toBe('disk_low');
    expect(guard.health()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('limits.disk_free_bytes'),
    });
    const { guard: gone, dir } = await admission();
    await gone.measure();
    expect(gone.health()).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/ [MG]iB free/),
    });
    await rm(dir, { recursive: true });
    await gone.measure();
    expect(gone.refusal('folder', idle)).toBe('disk_low');
    expect(gone.health()).toMatchObject({ ok: false, detail: expect.stringContaining('ENOENT') });
  });

  test('looks at the disk again by itself, and says only what has changed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const dir = join(await temporaryDir(), 'data');
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line) => void lines.push(JSON.parse(line).msg) });
    const guard = new Admission(configIn(dir).limits, new HomeDisk(dir), log);
    // As where many photos meet the failing disk at once.
    await Promise.all([guard.start(), guard.failed(), guard.failed()]);
    expect(guard.refusal('http', idle)).toBe('disk_low');
    await guard.measure();
    await mkdir(dir);
    vi.advanceTimersByTime(3000);
    await eventually(() => guard.refusal('http', idle) === null);
    await guard.stop();
    expect(lines).toEqual([
      'nothing is accepted until the disk is well again',
      'photos are accepted again',
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a write that fails while the disk is tried is a reason to try again', async () => {
    const { guard, dir } = await admission();
    let goOn = () => {};
    const spy = vi.spyOn(disk, 'write').mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          goOn = resolve;
        }),
    );
    onTestFinished(() => spy.mockRestore());
    const first = guard.failed();
    await eventually(() => spy.mock.calls.length > 0);
    await mkdir(join(dir, '.probe.tmp'));
    const second = guard.failed();
    goOn();
    await Promise.all([first, second]);
    expect(guard.refusal('http', idle)).toBe('disk_low');
  });

  test.each(['.', 'spool', 'outbox', 'tagged', 'failed'])(
    'after a failed write waits until one works in %s, whatever the free bytes say',
    async (at) => {
      const { guard, dir: data } = await admission();
      const dir = join(data, at);
      // A folder in the way of the probe: as unwritable as a full disk, also for root.
      await mkdir(join(dir, '.probe.tmp'), { recursive: true });
      await guard.failed();
      expect(guard.refusal('http', idle)).toBe('disk_low');
      expect(guard.health()).toMatchObject({
        ok: false,
        detail: expect.stringContaining('EISDIR'),
      });
      await guard.measure();
      expect(guard.refusal('http', idle)).toBe('disk_low');
      await rmdir(join(dir, '.probe.tmp'));
      await guard.measure();
      expect(guard.refusal('http', idle)).toBeNull();
      expect(await readdir(dir)).toEqual([]);
      // From then on free bytes are enough: nothing is written every few seconds.
      await mkdir(join(dir, '.probe.tmp'));
      await guard.measure();
      expect(guard.refusal('http', idle)).toBeNull();
    },
  );
});
