import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import type { NewPhoto } from '../../../src/daemon/ports.ts';
import { Originals } from '../../../src/daemon/spool/originals.ts';
import { recordOf } from '../../../src/daemon/spool/spool-record.ts';
import { FileStore } from '../../../src/daemon/store.ts';
import { silent, temporaryDir } from '../support.ts';

const photo: Omit<NewPhoto, 'body'> = {
  id: 'id-1',
  source: 'folder',
  file: 'a.jpg',
  receivedAt: '2026-01-02T03:04:05.678Z',
};

async function create() {
  const dir = await temporaryDir();
  const place = join(dir, 'photos');
  await mkdir(place);
  const file = join(place, 'a.jpg');
  await writeFile(file, 'half');
  // Whole seconds, as FAT has them.
  await utimes(file, 1.7e9, 1.7e9);
  const store = new FileStore(new HomeDisk(dir), 'spool', { maxEntryBytes: 10_000 });
  await store.open(() => {});
  const copyOf = (key: string) => join(store.dir, `${key}.photo`);
  const originals = new Originals({ store, copyOf, log: silent });
  return { place, file, store, copyOf, originals };
}
const records = async (store: FileStore) =>
  (await readdir(store.dir)).filter((name) => name.endsWith('.json'));

test('a file that has come to the path of another is its own: neither let go nor deleted for that', async () => {
  const { file, originals } = await create();
  const first = await originals.claim(file, 'a');
  await appendFile(file, ' and half');
  const second = await originals.claim(file, 'b');
  await originals.release(first, 'a');
  await expect(originals.claim(file, 'c')).rejects.toMatchObject({ code: 'file_missing' });
  expect(await originals.drop(first, 'a', photo)).toBe(true);
  expect(existsSync(file)).toBe(true);
  expect(await originals.drop(second, 'b', photo)).toBe(true);
  expect(existsSync(file)).toBe(false);
});

test('of two that name a file at once where another was, one has it', async () => {
  const { file, copyOf, originals } = await create();
  await originals.claim(file, 'a');
  await writeFile(copyOf('a'), 'half');
  // Only the bytes tell that it is another.
  await writeFile(`${file}.new`, 'full');
  await utimes(`${file}.new`, 1.7e9, 1.7e9);
  await rename(`${file}.new`, file);
  const both = await Promise.allSettled(['b', 'c'].map((key) => originals.claim(file, key)));
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

/** Not even root finds a file behind a link to itself. */
async function undeletable(place: string) {
  await rename(place, `${place}.away`);
  await symlink(place, place);
  return async () => {
    await rm(place);
    await rename(`${place}.away`, place);
  };
}

test('one that could not be deleted is remembered no longer than until another takes its place', async () => {
  const { place, file, store, copyOf, originals } = await create();
  const origin = await originals.claim(file, 'a');
  await writeFile(copyOf('a'), 'half');
  const deletable = await undeletable(place);
  expect(await originals.drop(origin, 'a', photo)).toBe(false);
  expect([originals.stuck, await records(store)]).toEqual([1, ['a.json']]);
  await deletable();
  await appendFile(file, ' and half');
  await originals.claim(file, 'b');
  expect([originals.stuck, await records(store)]).toEqual([0, []]);
});

test('one that cannot be read after a restart may be the same, and stays known', async () => {
  const { place, store, originals } = await create();
  // What the kernel refuses to root as to anybody: a folder is not read.
  const { ino, size, mtimeMs } = await stat(place);
  const origin = { path: place, ino: ino + 1, size, mtimeMs };
  const record = recordOf(photo, { body: 'moved', origin, filedSha256: 'of a file' });
  await store.put('a', record);
  await originals.recover('a', record, 'of a file');
  expect([originals.stuck, await records(store)]).toEqual([1, ['a.json']]);
});

test('one that cannot be deleted, and has no copy left to know it by, holds up nobody', async () => {
  const { place, file, store, originals } = await create();
  const origin = await originals.claim(file, 'a');
  const deletable = await undeletable(place);
  expect(await originals.drop(origin, 'a', photo)).toBe(true);
  expect([originals.stuck, await records(store)]).toEqual([0, []]);
  await deletable();
  await expect(originals.claim(file, 'b')).rejects.toMatchObject({ code: 'file_missing' });
});
