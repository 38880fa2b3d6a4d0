import { existsSync, readdirSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { disk } from '../../../src/daemon/disk.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { pathOf } from '../../../src/daemon/paths.ts';
import type { NewPhoto } from '../../../src/daemon/ports.ts';
import { Spool } from '../../../src/daemon/spool/spool.ts';
import { FileStore } from '../../../src/daemon/store.ts';
import { holds } from '../../property.ts';
import {
  dirOnOtherDisk,
  hasOtherDisk,
  openBelow,
  silent,
  syncedPaths,
  temporaryDir,
} from '../support.ts';

const LIMIT = 1000;

const photo = (body: NewPhoto['body'], more: Partial<NewPhoto> = {}): NewPhoto => ({
  id: 'id-1',
  source: 'mqtt',
  file: 'a/b.jpg',
  receivedAt: '2026-01-02T03:04:05.678Z',
  body,
  ...more,
});

async function opened(dir: string) {
  const spool = new Spool(new HomeDisk(dir), LIMIT, silent);
  return { spool, ...(await spool.open()) };
}
const add = (spool: Spool, each: NewPhoto) => spool.add(each, Spool.key(each));
const files = (spool: Spool) => readdir(spool.dir).then((names) => names.sort());

test('a sender that gives all its photos one id hides none behind another', () => {
  const [a, b] = ['a.jpg', 'b.jpg'];
  for (const [one, two] of [
    [{ move: a }, { move: b }],
    [{ keep: a }, { keep: b }],
    // Another file has come to that path.
    [
      { move: a, sight: '1' },
      { move: a, sight: '2' },
    ],
    [
      { keep: a, sight: '1' },
      { keep: a, sight: '2' },
    ],
    [{ bytes: Buffer.from(a) }, { bytes: Buffer.from(b) }],
  ] as const) {
    expect(Spool.key(photo(one))).not.toBe(Spool.key(photo(two)));
    expect(Spool.key(photo(one))).toBe(Spool.key(photo(one)));
  }
});

test('who asks for the same photo with another reply waits for that one too', () => {
  const keyOf = (reply?: NewPhoto['reply']) =>
    Spool.key(photo({ bytes: Buffer.from('jpeg') }, reply && { reply }));
  const replies = [undefined, { topic: 'a' }, { topic: 'b' }, { topic: 'a', correlation: 'AQ==' }];
  expect(new Set(replies.map(keyOf)).size).toBe(4);
  expect(keyOf({ topic: 'a' })).toBe(keyOf({ topic: 'a' }));
});

describe('a photo in the spool', () => {
  test('from MQTT is found after a restart with all that is known of it', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const reply = { topic: 'answers/1', correlation: 'AAEC' };
    const entry = await add(spool, photo({ bytes: Buffer.from('jpeg') }, { reply }));
    expect(entry).toMatchObject({ size: 4, body: 'upload', durable: true });
    expect(spool.bytes).toBe(4);
    const meta = JSON.parse(await readFile(join(spool.dir, `${entry.key}.json`), 'utf8'));
    expect(meta).toMatchObject({ id: 'id-1', received_at: '2026-01-02T03:04:05.678Z' });

    const again = await opened(dir);
    const { mtimeMs: _, ...rest } = entry;
    expect(again.entries).toMatchObject([{ ...rest, again: true }]);
    expect(await readFile(again.entries[0]?.path ?? '', 'utf8')).toBe('jpeg');
    expect(again.spool.bytes).toBe(4);
    await again.spool.remove(entry);
    expect(await files(spool)).toEqual([]);
    expect(again.spool.bytes).toBe(0);
  });

  test('from HTTP is dropped at start: its caller has no answer and asks again', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const entry = await add(
      spool,
      photo({ stream: Readable.from([Buffer.from('jp'), Buffer.from('eg')]) }, { source: 'http' }),
    );
    expect(await readFile(entry.path, 'utf8')).toBe('jpeg');
    const again = await opened(dir);
    expect(again.entries).toEqual([]);
    expect(await files(spool)).toEqual([]);
  });

  test('from the folder is renamed here; one that is kept is only pointed at', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await writeFile(join(dir, 'moved.jpg'), 'm');
    await writeFile(join(dir, 'kept.jpg'), 'kept');
    const moved = await add(spool, photo({ move: join(dir, 'moved.jpg') }, { source: 'folder' }));
    const kept = await add(
      spool,
      photo({ keep: join(dir, 'kept.jpg') }, { source: 'folder', id: 'id-2' }),
    );
    expect(await readdir(dir)).toEqual(['kept.jpg', 'spool']);
    expect(kept).toMatchObject({ path: join(dir, 'kept.jpg'), body: 'kept', size: 4 });
    const again = await opened(dir);
    expect(again.entries.map(({ key }) => key).sort()).toEqual([moved.key, kept.key].sort());
    const { mtimeMs } = moved;
    expect(again.entries).toContainEqual(expect.objectContaining({ key: moved.key, mtimeMs }));
    // One that is kept takes no room here.
    expect([spool.bytes, again.spool.bytes]).toEqual([1, 1]);
    await spool.remove(kept);
    await spool.remove(moved);
    expect(await readdir(dir)).toEqual(['kept.jpg', 'spool']);
    expect(await files(spool)).toEqual([]);
  });

  test('and kept is known by what it was when it was taken, also after a restart', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const file = join(dir, 'kept.jpg');
    await writeFile(file, 'kept');
    await utimes(file, 1.7e9, 1.7e9);
    await add(spool, photo({ keep: file }, { source: 'folder' }));
    await appendFile(file, ' and changed');
    expect((await opened(dir)).entries).toMatchObject([{ size: 4, mtimeMs: 1.7e12 }]);
  });

  test('whose name is no UTF-8 is moved too', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe])]);
    await writeFile(path, 'odd');
    const entry = await add(spool, photo({ move: path }, { source: 'folder' }));
    expect(await readFile(entry.path, 'utf8')).toBe('odd');
    expect(await readdir(dir)).toEqual(['spool']);
  });

  test('that is gone, or swapped for a link, is refused without a trace', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const gone = join(dir, 'gone.jpg');
    for (const body of [{ move: gone }, { keep: gone }]) {
      await expect(add(spool, photo(body))).rejects.toMatchObject({ code: 'file_missing' });
    }
    await writeFile(join(dir, 'secret'), 'secret');
    await symlink(join(dir, 'secret'), join(dir, 'link.jpg'));
    await expect(add(spool, photo({ move: join(dir, 'link.jpg') }))).rejects.toMatchObject({
      code: 'image_unsupported',
    });
    expect(await files(spool)).toEqual([]);
    expect(await readFile(join(dir, 'secret'), 'utf8')).toBe('secret');
  });

  test('whose place a folder has taken since leaves that there', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await mkdir(join(dir, 'in/a.jpg'), { recursive: true });
    await writeFile(join(dir, 'in/a.jpg/b.jpg'), 'kitchen');
    const body = { move: join(dir, 'in/a.jpg'), below: join(dir, 'in') };
    await expect(add(spool, photo(body))).rejects.toMatchObject({ code: 'image_unsupported' });
    expect(await readFile(join(dir, 'in/a.jpg/b.jpg'), 'utf8')).toBe('kitchen');
    expect(await files(spool)).toEqual([]);
  });

  test('below a folder that is a link is moved, also with a name that is no UTF-8', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await mkdir(join(dir, 'real/sub'), { recursive: true });
    const below = join(dir, 'Häuser');
    await symlink(join(dir, 'real'), below);
    for (const name of [Buffer.from('a.jpg'), Buffer.from([0xff, 0xfe])]) {
      const path = Buffer.concat([Buffer.from(`${below}/sub/`), name]);
      await writeFile(path, 'kitchen');
      const move = pathOf(path);
      const entry = await add(spool, photo({ move, below }, { id: String(name) }));
      expect(await readFile(entry.path, 'utf8')).toBe('kitchen');
    }
    expect(await readdir(join(below, 'sub'))).toEqual([]);
    expect(await openBelow(dir)).toEqual([]);
  });

  test.each<[string, () => NewPhoto['body']]>([
    ['at once', () => ({ bytes: Buffer.from('jpeg') })],
    ['piece by piece', () => ({ stream: Readable.from([Buffer.from('jpeg')]) })],
  ])('that came %s is synced before its sender hears that it is safe', async (_, body) => {
    const { spool } = await opened(await temporaryDir());
    const synced = await syncedPaths();
    const { path } = await add(spool, photo(body()));
    expect([...synced]).toEqual(expect.arrayContaining([path, spool.dir]));
    expect(await openBelow(spool.dir)).toEqual([]);
  });

  test('from HTTP whose caller has gone is synced, and found after a restart', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const each = photo({ bytes: Buffer.from('jpeg') }, { source: 'http' });
    const synced = await syncedPaths();
    const { path, key } = await spool.keep(await add(spool, each));
    expect(synced).toContain(path);
    expect(await openBelow(spool.dir)).toEqual([]);
    expect((await opened(dir)).entries).toMatchObject([{ key, durable: true, size: 4 }]);
  });

  test('may have as many bytes as allowed', async () => {
    const { spool } = await opened(await temporaryDir());
    const bytes = Buffer.alloc(LIMIT);
    expect(await add(spool, photo({ bytes }))).toMatchObject({ size: LIMIT });
    const stream = Readable.from([bytes]);
    expect(await add(spool, photo({ stream }, { id: 'id-2' }))).toMatchObject({ size: LIMIT });
  });

  test('over the limit is refused as soon as that is known', async () => {
    const { spool } = await opened(await temporaryDir());
    let read = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          read += 500;
          yield Buffer.alloc(500);
        }
      })(),
    );
    for (const body of [{ bytes: Buffer.alloc(LIMIT + 1) }, { stream: endless }]) {
      await expect(add(spool, photo(body))).rejects.toMatchObject({ code: 'image_too_large' });
    }
    expect(read).toBeLessThan(100_000);
    expect(await files(spool)).toEqual([]);
    expect(spool.bytes).toBe(0);
  });
});

describe.skipIf(!hasOtherDisk)('a file on another disk than the spool', () => {
  async function taken() {
    const dir = await temporaryDir();
    const file = join(await dirOnOtherDisk(), 'a.jpg');
    await writeFile(file, 'half');
    // Whole seconds, as FAT has them.
    await utimes(file, 1.7e9, 1.7e9);
    const { spool } = await opened(dir);
    const entry = await add(spool, photo({ move: file }, { source: 'folder' }));
    return { dir, file, spool, entry };
  }

  test('is copied, and stays until the photo has been dealt with', async () => {
    const { file, spool, entry } = await taken();
    expect(await readFile(entry.path, 'utf8')).toBe('half');
    expect(await readFile(file, 'utf8')).toBe('half');
    await spool.remove(entry);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    expect(await files(spool)).toEqual([]);
  });

  test('leaves nothing behind where it goes away while it is taken', async () => {
    const file = join(await dirOnOtherDisk(), 'a.jpg');
    await writeFile(file, 'jpeg');
    const { spool } = await opened(await temporaryDir());
    const { put } = FileStore.prototype;
    vi.spyOn(FileStore.prototype, 'put').mockImplementationOnce(async function (
      this: FileStore,
      ...entry
    ) {
      await put.apply(this, entry);
      await rm(file);
    });
    const taking = add(spool, photo({ move: file }, { source: 'folder' }));
    await expect(taking).rejects.toMatchObject({ code: 'file_missing' });
    expect(await files(spool)).toEqual([]);
  });

  test('has a durable copy that shows it to nobody else, and is not held open', async () => {
    const dir = await temporaryDir();
    const place = await dirOnOtherDisk();
    const file = join(place, 'a.jpg');
    await writeFile(file, 'jpeg', { mode: 0o600 });
    const { spool } = await opened(dir);
    const synced = await syncedPaths();
    const { path, key } = await add(spool, photo({ move: file }));
    expect(synced).toContain(join(spool.dir, `${key}.part`));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect([...(await openBelow(place)), ...(await openBelow(spool.dir))]).toEqual([]);
  });

  test('is looked at and removed in one step', async () => {
    const { file, spool, entry } = await taken();
    const dropping = spool.remove(entry);
    // Had it gone on in a thread, a file that takes its name now would be deleted.
    expect(existsSync(file)).toBe(false);
    await dropping;
  });

  test('has its copy under its name for good when it is accepted', async () => {
    const dir = await temporaryDir();
    const file = join(await dirOnOtherDisk(), 'a.jpg');
    await writeFile(file, 'jpeg');
    const { spool } = await opened(dir);
    let synced: string[] = [];
    const { syncDir } = disk;
    const spy = vi.spyOn(disk, 'syncDir').mockImplementation(async (path) => {
      synced = readdirSync(path);
      await syncDir(path);
    });
    onTestFinished(() => spy.mockRestore());
    const { key } = await add(spool, photo({ move: file }, { source: 'folder' }));
    expect(synced).toContain(`${key}.photo`);
  });

  test('goes also after a restart', async () => {
    const { dir, file } = await taken();
    const again = await opened(dir);
    for (const found of again.entries) await again.spool.remove(found);
    expect(again.entries).toHaveLength(1);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
  });

  test.each([
    ['by a writer that had only paused', (file: string) => appendFile(file, ' and half')],
    ['for another', (file: string) => rm(file).then(() => writeFile(file, 'half and half'))],
  ])('is not deleted where it was changed meanwhile: %s', async (_, change) => {
    const { dir, file, spool, entry } = await taken();
    await change(file);
    await spool.remove(entry);
    expect(await readFile(file, 'utf8')).toBe('half and half');
    expect((await opened(dir)).entries).toEqual([]);
  });

  test('is no second photo for whoever names it meanwhile, also after a restart', async () => {
    const { dir, file, spool, entry } = await taken();
    const again = photo({ move: file }, { id: 'id-2' });
    await expect(add(spool, again)).rejects.toMatchObject({ code: 'file_missing' });
    const second = await opened(dir);
    await expect(add(second.spool, again)).rejects.toMatchObject({ code: 'file_missing' });
    expect(await files(spool)).toEqual([`${entry.key}.json`, `${entry.key}.photo`]);
    await appendFile(file, ' and half');
    await expect(add(second.spool, again)).resolves.toMatchObject({ size: 13 });
  });

  /** Root may delete anything, but even for it there is no file behind a link to itself. */
  async function undeletable(file: string) {
    const place = dirname(file);
    await rename(place, `${place}.away`);
    onTestFinished(() => rm(`${place}.away`, { recursive: true, force: true }));
    await symlink(place, place);
    return async () => {
      await rm(place);
      await rename(`${place}.away`, place);
    };
  }

  test.each([0, 1, 2])(
    'that cannot be deleted holds up nobody, is no second photo after %i restarts, and goes when it can',
    async (restarts) => {
      const { dir, file, spool, entry } = await taken();
      let deletable = await undeletable(file);
      // Twice, as where the disk fails what comes after.
      for (let n = 0; n < 2; n++) await spool.remove(entry);
      expect(await files(spool)).toEqual([`${entry.key}.json`]);
      expect(spool.bytes).toBe(0);
      let now = spool;
      for (let n = 1; n <= restarts; n++) {
        if (n % 2 === 0) await deletable();
        const again = await opened(dir);
        expect(again).toMatchObject({ entries: [], strays: [] });
        now = again.spool;
        if (n % 2 === 0) deletable = await undeletable(file);
      }
      await deletable();
      const again = photo({ move: file }, { id: 'id-2', source: 'folder' });
      await expect(add(now, again)).rejects.toMatchObject({ code: 'file_missing' });
      await expect(readFile(file)).rejects.toThrow('ENOENT');
      expect(await files(spool)).toEqual([]);
      await writeFile(file, 'another');
      await expect(add(now, again)).resolves.toMatchObject({ size: 7 });
    },
  );

  test('that cannot be deleted is not asked for again under the same id', async () => {
    const { file, spool, entry } = await taken();
    const deletable = await undeletable(file);
    await spool.remove(entry);
    await deletable();
    await appendFile(file, ' and half');
    const again = photo({ move: file }, { source: 'folder' });
    await expect(add(spool, again)).resolves.toMatchObject({ size: 13, key: entry.key });
    expect(await files(spool)).toEqual([`${entry.key}.json`, `${entry.key}.photo`]);
  });

  test('that is filed but there needs its copy no more, and no record when it is gone', async () => {
    const { dir, file, spool, entry } = await taken();
    const deletable = await undeletable(file);
    await spool.remove(entry);
    // As if the power had gone before the copy was removed.
    await writeFile(join(spool.dir, `${entry.key}.photo`), 'half');
    expect(await opened(dir)).toMatchObject({ entries: [], strays: [] });
    expect(await files(spool)).toEqual([`${entry.key}.json`]);
    await deletable();
    await rm(file);
    expect(await opened(dir)).toMatchObject({ entries: [], strays: [] });
    expect(await files(spool)).toEqual([]);
  });

  /** As FAT does, which makes up its inode numbers at each mount. */
  async function remounted(file: string, bytes: string) {
    const { atime, mtime, ino } = await stat(file);
    await rename(file, `${file}.old`);
    await writeFile(file, bytes);
    await utimes(file, atime, mtime);
    await rm(`${file}.old`);
    expect((await stat(file)).ino).not.toBe(ino);
  }

  test('is the same under another inode number, filed or not', async () => {
    const { dir, file, spool } = await taken();
    await remounted(file, 'half');
    const again = photo({ move: file }, { id: 'id-2', source: 'folder' });
    await expect(add(spool, again)).rejects.toMatchObject({ code: 'file_missing' });
    const second = await opened(dir);
    await expect(add(second.spool, again)).rejects.toMatchObject({ code: 'file_missing' });
    await remounted(file, 'half');
    const deletable = await undeletable(file);
    for (const entry of second.entries) await second.spool.remove(entry);
    await deletable();
    await remounted(file, 'half');
    expect(await files(spool)).toHaveLength(1);
    expect((await opened(dir)).entries).toEqual([]);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    expect(await files(spool)).toEqual([]);
  });

  test('goes under another inode number too', async () => {
    const { file, spool, entry } = await taken();
    await remounted(file, 'half');
    await spool.remove(entry);
    expect(existsSync(file)).toBe(false);
  });

  test('but another of the same size and time stays, and is a photo', async () => {
    const { dir, file, spool, entry } = await taken();
    await remounted(file, 'full');
    await spool.remove(entry);
    expect(await readFile(file, 'utf8')).toBe('full');
    const again = photo({ move: file }, { id: 'id-2', source: 'folder' });
    await expect(add((await opened(dir)).spool, again)).resolves.toMatchObject({ size: 4 });
  });

  test('over the limit stays where it is', async () => {
    const { file, spool } = await taken();
    await writeFile(`${file}.1`, Buffer.alloc(LIMIT));
    const allowed = await add(spool, photo({ move: `${file}.1` }, { id: 'id-1' }));
    expect(allowed).toMatchObject({ body: 'moved', size: LIMIT });
    await writeFile(`${file}.2`, Buffer.alloc(LIMIT + 1));
    const large = await add(spool, photo({ move: `${file}.2` }, { id: 'id-2' }));
    expect(large).toMatchObject({ path: `${file}.2`, body: 'kept' });
  });
});

test('photos come back oldest first; what is not ours in the folder stays there', async () => {
  const dir = await temporaryDir();
  const { spool } = await opened(dir);
  for (const hour of ['07', '09', '08', '03', '05', '04']) {
    const receivedAt = `2026-01-02T${hour}:04:05.678Z`;
    await add(spool, photo({ bytes: Buffer.from(hour) }, { id: hour, receivedAt }));
  }
  await writeFile(join(spool.dir, 'notes.txt'), 'mine');
  const { entries, strays } = await opened(dir);
  expect(entries.map(({ id }) => id)).toEqual(['03', '04', '05', '07', '08', '09']);
  expect(strays).toEqual([]);
  expect(await files(spool)).toContain('notes.txt');
});

test('the bytes of a file that is moved in are durable when it is accepted', async () => {
  const dir = await temporaryDir();
  const file = join(dir, 'a.jpg');
  await writeFile(file, 'kitchen');
  const { spool } = await opened(dir);
  const synced = await syncedPaths();
  const { path } = await add(spool, photo({ move: file }, { source: 'folder' }));
  expect(synced).toContain(path);
});

test('a spool folder that somebody removes is made anew', async () => {
  const { spool } = await opened(await temporaryDir());
  await rm(spool.dir, { recursive: true });
  expect(await add(spool, photo({ bytes: Buffer.from('jpeg') }))).toMatchObject({ size: 4 });
  await rm(spool.dir, { recursive: true });
  const stream = Readable.from([Buffer.from('jpeg')]);
  expect(await add(spool, photo({ stream }, { source: 'http' }))).toMatchObject({ size: 4 });
});

describe('a crash', () => {
  test('between the record and the move leaves the photo where it was, to be handed in again', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const origin = join(dir, 'a.jpg');
    await writeFile(origin, 'jpeg');
    const entry = await add(spool, photo({ move: origin }, { source: 'folder' }));
    await rename(entry.path, origin);
    const again = await opened(dir);
    expect(again).toMatchObject({ entries: [], strays: [] });
    expect(await readFile(origin, 'utf8')).toBe('jpeg');
    expect(await files(spool)).toEqual([]);
  });

  test('that left a photo without its record does not cost the photo', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await writeFile(join(spool.dir, 'stray.photo'), 'the only copy');
    await writeFile(join(spool.dir, 'broken.photo'), 'another');
    await writeFile(join(spool.dir, 'broken.json'), '{"id":');
    await writeFile(join(spool.dir, 'empty.photo'), 'a third');
    await writeFile(join(spool.dir, 'empty.json'), 'null');
    await writeFile(join(spool.dir, 'torn.upload'), 'of a sender who was told it is safe');
    await writeFile(join(spool.dir, 'torn.json'), '\0\0\0\0');
    await writeFile(join(spool.dir, 'unfinished.upload'), 'of one who was not');
    await writeFile(join(spool.dir, 'half.part'), 'x');
    const again = await opened(dir);
    expect(again.entries).toEqual([]);
    expect(again.strays.map((path) => relative(spool.dir, path)).sort()).toEqual([
      ...['broken.json', 'broken.photo', 'empty.json', 'empty.photo', 'stray.photo'],
      ...['torn.json', 'torn.upload'],
    ]);
    expect(await files(spool)).not.toContain('unfinished.upload');
    expect(await files(spool)).not.toContain('half.part');
  });

  test.each<[string, object]>([
    ['another door', { source: 'ftp' }],
    ['no door', { source: undefined }],
    ['another kind of body', { body: 'pieces' }],
    ['no name', { file: undefined }],
    ['a number for a name', { file: 5 }],
    ['no time', { received_at: undefined }],
    ['a number for a path', { path: 5, ino: 1, size: 1, mtime_ms: 1 }],
    ['a reply to nowhere', { reply: { topic: 5 } }],
  ])(
    'a record of %s, perhaps a later version’s, is set aside with its photo',
    async (_, change) => {
      const dir = await temporaryDir();
      const { spool } = await opened(dir);
      await writeFile(join(dir, 'a.jpg'), 'jpeg');
      const { key } = await add(spool, photo({ move: join(dir, 'a.jpg') }, { source: 'folder' }));
      const record = join(spool.dir, `${key}.json`);
      const told = JSON.parse(await readFile(record, 'utf8'));
      await writeFile(record, JSON.stringify({ ...told, ...change }));
      const { entries, strays } = await opened(dir);
      expect(entries).toEqual([]);
      expect(strays.sort()).toEqual([record, join(spool.dir, `${key}.photo`)]);
    },
  );

  test.each(['its record', 'its file'])(
    'on a disk that cannot read %s now costs no photo',
    async (which) => {
      const dir = await temporaryDir();
      const { spool } = await opened(dir);
      const entry = await add(spool, photo({ bytes: Buffer.from('jpeg') }));
      const kept = join(dir, 'kept.jpg');
      await writeFile(kept, 'kept');
      const other = await add(spool, photo({ keep: kept }, { id: 'id-2' }));
      // What the kernel refuses to root as to anybody: a loop is not followed.
      const [victim, whole] = which === 'its record' ? [entry, other] : [other, entry];
      const record = join(spool.dir, `${victim.key}.json`);
      const unreadable = which === 'its record' ? record : kept;
      await rename(unreadable, `${dir}/aside`);
      await symlink(unreadable, unreadable);
      const second = await opened(dir);
      expect(second.entries.map(({ key }) => key)).toEqual([whole.key]);
      expect(second.strays).toEqual([]);
      await rm(unreadable, { recursive: true });
      await rename(`${dir}/aside`, unreadable);
      expect((await opened(dir)).entries).toHaveLength(2);
    },
  );
});

test('any order of taking in, restarting and removing keeps exactly what was taken in', async () => {
  const root = await temporaryDir();
  let run = 0;
  const kinds = fc.constantFrom('mqtt', 'http', 'move', 'keep', 'remove', 'restart', 'garbage');
  await holds(
    'spool',
    fc.asyncProperty(fc.array(kinds, { maxLength: 25 }), async (steps) => {
      const dir = join(root, String(run++));
      await mkdir(dir);
      let { spool } = await opened(dir);
      const model = new Map<string, Awaited<ReturnType<Spool['add']>>>();
      for (const [n, step] of steps.entries()) {
        const id = `id-${n}`;
        if (step === 'remove') {
          const [entry] = model.values();
          if (entry) await spool.remove(entry);
          if (entry) model.delete(entry.key);
        } else if (step === 'restart') {
          const again = await opened(dir);
          spool = again.spool;
          for (const [key, entry] of model) if (!entry.durable) model.delete(key);
          expect(again.entries.map(({ key }) => key).sort()).toEqual([...model.keys()].sort());
        } else if (step === 'garbage') {
          await writeFile(join(spool.dir, `x${n}.${n % 2 ? 'upload' : '1.tmp'}`), 'torn');
        } else {
          const path = join(dir, `${n}.jpg`);
          if (step === 'move' || step === 'keep') await writeFile(path, `photo ${n}`);
          const body =
            step === 'move'
              ? { move: path }
              : step === 'keep'
                ? { keep: path }
                : { bytes: Buffer.from(`photo ${n}`) };
          const source = step === 'mqtt' || step === 'http' ? step : 'folder';
          const entry = await add(spool, photo(body, { id, source }));
          model.set(entry.key, entry);
        }
        for (const entry of model.values()) {
          expect(await readFile(entry.path, 'utf8')).toMatch(/^photo \d+$/);
        }
      }
    }),
    60,
  );
});
