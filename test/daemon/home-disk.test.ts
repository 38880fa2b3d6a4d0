import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { HomeDisk } from '../../src/daemon/home-disk.ts';
import { failed } from '../../src/daemon/pipeline/outcome.ts';
import type { SpoolEntry } from '../../src/daemon/spool/spool-entry.ts';
import { FileStore } from '../../src/daemon/store.ts';
import { RetaggerError } from '../../src/errors.ts';
import {
  build,
  configIn,
  dirOnOtherDisk,
  eventually,
  hasOtherDisk,
  hurryTimers,
  temporaryDir,
} from './support.ts';

/** A data folder whose disk can be taken away: what is there then is an empty folder of another one. */
async function removable() {
  const dir = join(await temporaryDir(), 'data');
  const [disk, place] = [await temporaryDir(), await dirOnOtherDisk()];
  const lead = async (to: string) => {
    await rm(dir, { force: true });
    await symlink(to, dir);
  };
  await lead(disk);
  return { dir, disk, place, away: () => lead(place), back: (to = disk) => lead(to) };
}

const away = { code: 'ENODEV' };

test.skipIf(!hasOtherDisk)('a disk is away where another is in its place', async () => {
  const { dir, place, ...it } = await removable();
  const home = new HomeDisk(dir);
  await home.check();
  await it.away();
  await expect(home.check()).rejects.toMatchObject(away);
  await it.back();
  await home.check();
  // Plugged in again, it has another number.
  await it.away();
  await mkdir(join(place, 'spool'));
  await home.check();
});

test.skipIf(!hasOtherDisk)(
  'without its disk a store has not lost an entry, nor makes one',
  async () => {
    const { dir, place, ...it } = await removable();
    const store = new FileStore(new HomeDisk(dir), 'outbox', { maxEntryBytes: 100 });
    await store.open(() => {});
    await store.put('k', 1);
    await it.away();
    await expect(store.put('l', 2)).rejects.toMatchObject(away);
    await expect(store.get('k')).rejects.toMatchObject(away);
    await expect(store.remove('k')).rejects.toMatchObject(away);
    expect(await readdir(place)).toEqual([]);
    await it.back();
    expect(await store.get('k')).toBe(1);
  },
);

test.skipIf(!hasOtherDisk)('not even the first photo is filed in place of its disk', async () => {
  const { dir, place, ...it } = await removable();
  const daemon = build(configIn(dir));
  await daemon.start();
  const photo: SpoolEntry = {
    ...{ id: 'a', source: 'folder', file: 'a.jpg', receivedAt: '2026-01-02T03:04:05.678Z' },
    ...{ key: 'a', path: join(dir, 'ingest/a.jpg'), size: 7, durable: true, mtimeMs: 0 },
    body: 'kept',
  };
  await it.away();
  const outcome = failed(photo, new RetaggerError('image_corrupt'));
  await expect(daemon.filing.file(photo, outcome)).rejects.toMatchObject(away);
  expect(await readdir(place)).toEqual([]);
});

test.skipIf(!hasOtherDisk)('without its disk nothing is taken, and what was waits', async () => {
  hurryTimers();
  const { dir, disk, place, ...it } = await removable();
  const ingest = { dir: await temporaryDir() };
  const daemon = build(configIn(dir, { ingest }));
  const { pipeline, admission, outbox, tagger } = daemon;
  await admission.measure();
  await daemon.start();
  tagger.hold();
  const receivedAt = new Date().toISOString();
  const accept = async (id: string, file: string) => {
    const body = { move: join(ingest.dir, file) };
    await writeFile(body.move, 'kitchen');
    return pipeline.accept({ id, source: 'folder', file, receivedAt, body });
  };
  // Two are with the tagger, the others are read only once the disk is away.
  for (const id of ['a', 'b', 'c', 'd']) await accept(id, `${id}.jpg`);
  await eventually(() => tagger.seen.length === 2);
  await it.away();
  tagger.letGo();
  await expect(accept('e', 'e.jpg')).rejects.toMatchObject({ code: 'busy' });
  expect(pipeline.refusal('mqtt')).toBe('disk_low');
  expect(admission.health()).toEqual({ ok: false, detail: expect.stringContaining('is away') });
  const measured = vi.spyOn(admission, 'measure');
  await eventually(() => measured.mock.calls.length > 2);
  expect(await readdir(place)).toEqual([]);
  await it.back();
  await vi.waitFor(() => expect(pipeline.length).toBe(0), 10_000);
  expect((await readdir(join(disk, 'tagged/kitchen'))).filter((n) => /jpg$/.test(n)).length).toBe(
    4,
  );
  expect(outbox.length).toBe(4);
});
