import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { disk } from '../../../src/daemon/disk.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import type { NewPhoto } from '../../../src/daemon/ports.ts';
import { Originals } from '../../../src/daemon/spool/originals.ts';
import { Spool } from '../../../src/daemon/spool/spool.ts';
import { FileStore } from '../../../src/daemon/store.ts';
import {
  build,
  configIn,
  dirOnOtherDisk,
  eventually,
  hasOtherDisk,
  silent,
  temporaryDir,
} from '../support.ts';

/** What happens to a user's file on another disk than the spool when all does not go well. */

const faults = vi.hoisted(() => ({
  noLinks: false,
  /** Called before a file is opened. */
  beforeOpen: null as ((path: string) => Promise<void>) | null,
}));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const link: typeof real.link = (from, to) =>
    faults.noLinks
      ? Promise.reject(Object.assign(new Error('EPERM: link'), { code: 'EPERM' }))
      : real.link(from, to);
  const open: typeof real.open = async (path, ...rest) => {
    await faults.beforeOpen?.(String(path));
    return real.open(path, ...rest);
  };
  return { ...real, link, open };
});

const photo = (body: NewPhoto['body'], more: Partial<NewPhoto> = {}): NewPhoto => ({
  ...{ id: 'id-1', source: 'folder', file: 'b.jpg', receivedAt: '2026-01-02T03:04:05.678Z' },
  body,
  ...more,
});
const add = (spool: Spool, each: NewPhoto) => spool.add(each, Spool.key(each));
async function opened(dir: string) {
  const spool = new Spool(new HomeDisk(dir), 1000, silent);
  return { spool, ...(await spool.open()) };
}

async function stick() {
  const dir = await temporaryDir();
  const place = join(await dirOnOtherDisk(), 'stick');
  await mkdir(place);
  const file = join(place, 'b.jpg');
  await writeFile(file, 'kitchen');
  /** Not even root finds a file behind a link to itself. */
  const lock = async () => {
    await rename(place, `${place}.away`);
    await symlink(place, place);
    return async () => {
      await rm(place);
      await rename(`${place}.away`, place);
    };
  };
  return { dir, place, file, lock };
}

describe.skipIf(!hasOtherDisk)('a file on another disk', () => {
  test('that is away has not been deleted, before or after a restart', async () => {
    const { dir, place } = await stick();
    // A mount point, with the disk and without.
    const mount = join(dir, 'mount');
    await symlink(place, mount);
    const pull = async () => {
      await rm(mount);
      await mkdir(mount);
    };
    const plug = async () => {
      await rm(mount, { recursive: true });
      await symlink(place, mount);
    };
    const { spool } = await opened(dir);
    const each = photo({ move: join(mount, 'b.jpg') });
    const entry = await add(spool, each);
    await pull();
    await spool.remove(entry);
    const next = await opened(dir);
    await plug();
    const again = { ...each, id: 'id-2' };
    await expect(add(next.spool, again)).rejects.toMatchObject({ code: 'file_missing' });
    expect(existsSync(join(place, 'b.jpg'))).toBe(false);
    expect(await readdir(spool.dir)).toEqual([]);
  });

  test('that is damaged, and away when that is found, ends in failed/', async () => {
    const { dir, place, file } = await stick();
    await writeFile(file, 'image_corrupt');
    const mount = join(dir, 'mount');
    await symlink(place, mount);
    const daemon = build(configIn(dir, { ingest: { settle_ms: 0 } }));
    await daemon.start();
    daemon.tagger.hold();
    const { outcome } = await daemon.pipeline.accept(photo({ move: join(mount, 'b.jpg') }));
    await rm(mount);
    await mkdir(mount);
    daemon.tagger.letGo();
    expect((await outcome).ok).toBe(false);
    await eventually(() => daemon.pipeline.length === 0);
    expect(await readFile(join(dir, 'failed/b.jpg'), 'utf8')).toBe('image_corrupt');
    await daemon.crash();
  });

  test('that is too large for a copy has its answer after a crash, where MQTT asked for it', async () => {
    const { dir, file } = await stick();
    await writeFile(file, Buffer.alloc(2000));
    const { spool } = await opened(dir);
    const entry = await add(spool, photo({ move: file }, { source: 'mqtt' }));
    expect(entry).toMatchObject({ body: 'kept', path: file, size: 2000 });
    const { entries } = await opened(dir);
    expect(entries).toMatchObject([{ key: entry.key, body: 'kept', path: file, size: 2000 }]);
  });

  test('that goes though its disk has another number by now is forgotten', async () => {
    const { dir, file } = await stick();
    const { spool } = await opened(dir);
    const { key } = await add(spool, photo({ move: file }));
    const record = join(spool.dir, `${key}.json`);
    const told = JSON.parse(await readFile(record, 'utf8'));
    await writeFile(record, JSON.stringify({ ...told, dev: told.dev + 1 }));
    const again = await opened(dir);
    for (const entry of again.entries) await again.spool.remove(entry);
    expect(existsSync(file)).toBe(false);
    expect(await readdir(spool.dir)).toEqual([]);
  });

  test('that its sender or the user has deleted is forgotten', async () => {
    const { dir, file } = await stick();
    const { spool } = await opened(dir);
    const entry = await add(spool, photo({ move: file }));
    await rm(file);
    await spool.remove(entry);
    expect(await readdir(spool.dir)).toEqual([]);
  });

  test('of two photos at one path the younger owns it after a restart', async () => {
    for (let n = 0; n < 8; n++) {
      const { dir, file } = await stick();
      const { spool } = await opened(dir);
      await add(spool, photo({ move: file }, { id: `half-${n}` }));
      await appendFile(file, ' and hall');
      const later = { id: `whole-${n}`, receivedAt: '2026-01-02T03:04:06.000Z' };
      await add(spool, photo({ move: file }, later));
      const again = await opened(dir);
      for (const entry of again.entries) await again.spool.remove(entry);
      expect(existsSync(file)).toBe(false);
      expect(await readdir(spool.dir)).toEqual([]);
    }
  });

  test('that is replaced while the record of an undeletable one is written is its own photo', async () => {
    const { dir, file, lock } = await stick();
    const { spool } = await opened(dir);
    const entry = await add(spool, photo({ move: file }));
    const unlock = await lock();
    const { write } = disk;
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const spy = vi.spyOn(disk, 'write').mockImplementationOnce(async (...args) => {
      await gate;
      await write(...args);
    });
    onTestFinished(() => spy.mockRestore());
    const removing = spool.remove(entry);
    await vi.waitFor(() => expect(spy).toHaveBeenCalled());
    await unlock();
    await appendFile(file, ' and hall');
    const second = await add(spool, photo({ move: file }, { id: 'id-2' }));
    go();
    await removing;
    await spool.remove(second);
    expect(existsSync(file)).toBe(false);
    expect(await readdir(spool.dir)).toEqual([]);
  });

  test.each(['cannot be deleted', 'is filed when the power goes'])(
    'a spool without hard links keeps the copy while its original is there: %s',
    async (what) => {
      const { dir, file, lock } = await stick();
      const daemon = build(configIn(dir));
      await daemon.start();
      daemon.tagger.hold();
      faults.noLinks = true;
      onTestFinished(() => {
        faults.noLinks = false;
      });
      const { outcome } = await daemon.pipeline.accept(photo({ move: file }));
      let unlock = async () => {};
      if (what === 'cannot be deleted') unlock = await lock();
      else vi.spyOn(daemon.spool, 'remove').mockReturnValue(new Promise(() => {}));
      daemon.tagger.letGo();
      await outcome;
      const filed = join(dir, 'tagged/kitchen/b.jpg');
      await eventually(() => existsSync(filed) && existsSync(`${filed}.json`));
      if (what === 'cannot be deleted') await eventually(() => daemon.pipeline.length === 0);
      else await eventually(async () => (await readFile(filed, 'utf8')) === 'kitchen');
      await daemon.crash();
      await unlock();
      const next = build(configIn(dir));
      await next.start();
      await eventually(() => next.pipeline.length === 0 && !existsSync(file));
      expect(await readdir(join(dir, 'tagged/kitchen'))).toEqual(['b.jpg', 'b.jpg.json']);
      expect((await readdir(next.spool.dir)).filter((name) => /photo/.test(name))).toEqual([]);
      await next.crash();
    },
  );

  test.each<[string, (file: string, secret: string) => unknown]>([
    ['link', (file, secret) => symlink(secret, file)],
    ['named pipe', (file) => execFileSync('mkfifo', [file])],
  ])('that is swapped for a %s after the look is not followed', async (_, swap) => {
    const { dir, file } = await stick();
    await writeFile(join(dir, 'secret'), 'secret');
    const { spool } = await opened(dir);
    faults.beforeOpen = async (path) => {
      if (path !== file) return;
      faults.beforeOpen = null;
      await rm(file);
      await swap(file, join(dir, 'secret'));
    };
    await expect(add(spool, photo({ move: file }))).rejects.toMatchObject({
      code: 'image_unsupported',
    });
    for (const name of await readdir(spool.dir)) {
      expect(await readFile(join(spool.dir, name), 'utf8')).not.toContain('secret');
    }
  });

  test('whose folder is swapped for a link after the look is not copied from behind it', async () => {
    const { dir, place, file } = await stick();
    await mkdir(join(dir, 'others'));
    await writeFile(join(dir, 'others/b.jpg'), 'secret');
    const { spool } = await opened(dir);
    faults.beforeOpen = async (path) => {
      if (path !== place) return;
      faults.beforeOpen = null;
      await rename(place, `${place}.away`);
      await symlink(join(dir, 'others'), place);
    };
    const below = join(place, '..');
    await expect(add(spool, photo({ move: file, below }))).rejects.toMatchObject({
      code: 'file_missing',
    });
    expect(await readdir(spool.dir)).toEqual([]);
  });

  test('is remembered by its own path, not by the one it was copied by', async () => {
    const { dir, place, file } = await stick();
    const { spool } = await opened(dir);
    const entry = await add(spool, photo({ move: file, below: join(place, '..') }));
    expect(entry.origin?.path).toBe(file);
    await spool.remove(entry);
    expect(existsSync(file)).toBe(false);
  });

  test('that its writer goes on with while it is copied is one photo, and whole', async () => {
    const { dir, file } = await stick();
    const { spool } = await opened(dir);
    faults.beforeOpen = async (path) => {
      if (!path.endsWith('.part')) return;
      faults.beforeOpen = null;
      await appendFile(file, ' and hall');
    };
    const entry = await add(spool, photo({ move: file }));
    expect(await readFile(entry.path, 'utf8')).toBe('kitchen and hall');
    await spool.remove(entry);
    expect(existsSync(file)).toBe(false);
  });

  test('that the spool has no room for is taken later, and takes none up meanwhile', async () => {
    const { dir, file } = await stick();
    const { spool } = await opened(dir);
    faults.beforeOpen = async (path) => {
      if (!path.endsWith('.part')) return;
      faults.beforeOpen = null;
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    const each = photo({ move: file });
    await expect(add(spool, each)).rejects.toMatchObject({ code: 'busy' });
    expect(await readdir(spool.dir)).toEqual([]);
    await expect(add(spool, each)).resolves.toMatchObject({ size: 7 });
  });

  test('that its writer never leaves alone is taken as it is, and stays', async () => {
    const { dir, file } = await stick();
    const { spool } = await opened(dir);
    onTestFinished(() => {
      faults.beforeOpen = null;
    });
    faults.beforeOpen = async (path) => {
      if (path.endsWith('.part')) await appendFile(file, '.');
    };
    const entry = await add(spool, photo({ move: file }));
    await spool.remove(entry);
    expect(await readFile(file, 'utf8')).toBe('kitchen...');
  });

  test('of too many that cannot be deleted no more are taken', async () => {
    const { dir, place, lock } = await stick();
    const store = new FileStore(new HomeDisk(dir), 'records', { maxEntryBytes: 10_000 });
    await store.open(() => {});
    const copyOf = (key: string) => join(dir, key);
    const originals = new Originals({ store, copyOf, log: silent, maxStuck: 2 });
    const claimed = [];
    for (const key of ['a', 'b', 'c']) {
      await writeFile(join(place, key), key);
      await writeFile(copyOf(key), key);
      claimed.push(await originals.claim(join(place, key), key));
    }
    const unlock = await lock();
    for (const [n, key] of ['a', 'b'].entries()) {
      const origin = claimed[n];
      if (origin) expect(await originals.drop(origin, key, photo({ keep: '' }))).toBe(false);
    }
    await unlock();
    await writeFile(join(place, 'd'), 'd');
    await expect(originals.claim(join(place, 'd'), 'd')).rejects.toThrow(/2 files .* deleted/);
    // Those on our own disk are no matter of theirs.
    await writeFile(join(dir, 'own'), 'own');
    await originals.claim(join(dir, 'own'), 'own');
    // Those are tried again when they are met, and make room.
    await expect(originals.claim(join(place, 'a'), 'a')).rejects.toThrow();
    expect(existsSync(join(place, 'a'))).toBe(false);
    await originals.claim(join(place, 'd'), 'd');
  });
});

/** A photo handed over by MQTT whose place cannot be made durable. */
async function withoutPlace(meanwhile: (file: string) => Promise<void> = async () => {}) {
  const dir = await temporaryDir();
  const file = join(dir, 'a.jpg');
  await writeFile(file, 'kitchen');
  const { spool } = await opened(dir);
  const { syncDir } = disk;
  let syncs = 0;
  const spy = vi.spyOn(disk, 'syncDir').mockImplementation(async (path) => {
    // The first is the record's.
    if (++syncs === 2) {
      await meanwhile(file);
      throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
    }
    await syncDir(path);
  });
  onTestFinished(() => spy.mockRestore());
  const each = photo({ move: file }, { source: 'mqtt' });
  await expect(add(spool, each)).rejects.toMatchObject({ code: 'busy' });
  return { dir, file, spool, each };
}

test('a file whose place cannot be made durable is where it was, to be taken again', async () => {
  const { file, spool, each } = await withoutPlace();
  expect(existsSync(file)).toBe(true);
  await expect(add(spool, each)).resolves.toMatchObject({ size: 7 });
});

test('a file that has taken the place of one that could not be made durable costs neither', async () => {
  const { dir, file } = await withoutPlace((path) => writeFile(path, 'hall'));
  expect(await readFile(file, 'utf8')).toBe('hall');
  const [entry] = (await opened(dir)).entries;
  expect(await readFile(entry?.path ?? '', 'utf8')).toBe('kitchen');
});
