import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { makeOwnFolder } from '../../src/files/own-folder.ts';
import { temporaryDir } from '../daemon/support.ts';

/** exfat-fuse: of a name that it does not take it says that it is not there. */
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const gone = () => Promise.reject(Object.assign(new Error('ENOENT'), { code: 'ENOENT' }));
  return {
    ...real,
    mkdir: (path: string, mode: never) => (/:/.test(path) ? gone() : real.mkdir(path, mode)),
  };
});

test('folders are made with those above them, and the first of them is told', async () => {
  const dir = await temporaryDir();
  expect(await makeOwnFolder(join(dir, 'a/b/c'))).toBe(join(dir, 'a'));
  expect((await stat(join(dir, 'a/b'))).mode & 0o777).toBe(0o750);
  expect(await makeOwnFolder(join(dir, 'a/b/c'))).toBeUndefined();
  expect(await makeOwnFolder(join(dir, 'a/d'))).toBe(join(dir, 'a/d'));
});

test('a file in the way, or a name that is not taken, is an error', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'file'), '');
  await expect(makeOwnFolder(join(dir, 'file'))).rejects.toThrow('EEXIST');
  await expect(makeOwnFolder(join(dir, 'file/x'))).rejects.toThrow('ENOTDIR');
  await expect(makeOwnFolder(join(dir, 'x/a:b/c'))).rejects.toThrow('ENOENT');
  await mkdir(join(dir, 'there'));
  expect(await readdir(dir)).toEqual(['file', 'there', 'x']);
});
