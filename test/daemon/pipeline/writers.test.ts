import { appendFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { stillWritten } from '../../../src/daemon/pipeline/writers.ts';
import type { SpoolEntry } from '../../../src/daemon/spool/spool-entry.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { temporaryDir } from '../support.ts';

const corrupt = new RetaggerError('image_corrupt');
const HOUR = 3_600_000;

async function file(ageMs: number, body: SpoolEntry['body'] = 'moved') {
  const path = join(await temporaryDir(), 'a.photo');
  await writeFile(path, 'x');
  const time = new Date(Date.now() - ageMs);
  await utimes(path, time, time);
  const { mtimeMs } = await stat(path);
  const entry = { path, body, size: 1 } as SpoolEntry;
  return { entry, seen: { size: 1, mtimeMs, number: 0 } };
}

describe('a damaged file', () => {
  test('that has not changed for long is what it is', async () => {
    const { entry, seen } = await file(HOUR);
    expect(await stillWritten(entry, corrupt, seen, 300)).toBeNull();
  });

  test('that changed since it was taken is tried again, but not for ever', async () => {
    const { entry, seen } = await file(HOUR);
    const again = await stillWritten(entry, corrupt, { ...seen, size: 0 }, 300);
    expect(again).toMatchObject({ waitMs: 300, look: { size: 1, number: 1 } });
    const last = { ...seen, mtimeMs: 0, number: 30 };
    expect(await stillWritten(entry, corrupt, last, 300)).toBeNull();
  });

  test('that still grows is waited for on, a text that grows is not', async () => {
    const { entry, seen } = await file(HOUR);
    const last = { ...seen, size: 0, number: 30 };
    const again = await stillWritten(entry, corrupt, last, 300);
    expect(again).toMatchObject({ look: { number: 16 } });
    const text = new RetaggerError('image_unsupported');
    expect(await stillWritten(entry, text, last, 300)).toBeNull();
  });

  test('whose writing took seconds may pause for twice as many', async () => {
    const { entry } = await file(0);
    await sleep(500);
    await appendFile(entry.path, 'y');
    const { size, mtimeMs } = await stat(entry.path);
    const again = await stillWritten(entry, corrupt, { size, mtimeMs, number: 0 }, 1);
    // A fifth of that at a time.
    expect(again?.waitMs).toBeGreaterThan(150);
    expect(again?.waitMs).toBeLessThanOrEqual(12_000);
  });

  test('of which only the time has changed is tried again too', async () => {
    const { entry, seen } = await file(HOUR);
    expect(await stillWritten(entry, corrupt, { ...seen, mtimeMs: 0 }, 300)).not.toBeNull();
  });

  test('is waited for a few seconds at a time, however long files take to settle', async () => {
    const { entry, seen } = await file(HOUR);
    const again = await stillWritten(entry, corrupt, { ...seen, size: 0, number: 9 }, 600_000);
    expect(again?.waitMs).toBe(5000);
    const young = await file(16_000);
    expect(await stillWritten(young.entry, corrupt, young.seen, 600_000)).toBeNull();
  });

  test('that is young gets the rest of its grace', async () => {
    const { entry, seen } = await file(1000);
    const text = new RetaggerError('image_unsupported');
    const again = await stillWritten(entry, text, seen, 300);
    expect(again?.waitMs).toBe(600);
    const nearly = await file(2900);
    const last = await stillWritten(nearly.entry, text, nearly.seen, 300);
    expect(last?.waitMs).toBeGreaterThan(0);
    expect(last?.waitMs).toBeLessThanOrEqual(100);
  });

  test('may pause for 10 s at the usual settle time, as `scp -l 200` does', async () => {
    const { entry, seen } = await file(11_000);
    const again = await stillWritten(entry, corrupt, seen, 300);
    expect(again?.waitMs).toBe(3000);
    const old = await file(16_000);
    expect(await stillWritten(old.entry, corrupt, old.seen, 300)).toBeNull();
  });

  test('from the future (a wrong clock) is judged as it is', async () => {
    const { entry, seen } = await file(-HOUR);
    expect(await stillWritten(entry, corrupt, seen, 300)).toBeNull();
  });

  test('that we wrote ourselves, or whose fault is another, is never waited for', async () => {
    const upload = await file(0, 'upload');
    expect(await stillWritten(upload.entry, corrupt, upload.seen, 300)).toBeNull();
    const { entry, seen } = await file(0);
    const crashed = new RetaggerError('worker_crashed');
    expect(await stillWritten(entry, crashed, seen, 300)).toBeNull();
  });
});
