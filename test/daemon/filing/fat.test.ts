import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Filing } from '../../../src/daemon/filing/filing.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { failed } from '../../../src/daemon/pipeline/outcome.ts';
import type { SpoolEntry } from '../../../src/daemon/spool/spool-entry.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { silent, temporaryDir } from '../support.ts';

/** A disk as FAT is: no hard links, and no colon in a name. */
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const fault = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));
  const fat = <T extends unknown[], R>(work: (...args: T) => Promise<R>) => {
    // NTFS: no point at the end either.
    const isBad = (arg: unknown) => /:|\.$/.test(`${arg}`);
    return (...args: T) => (args.some(isBad) ? fault('EINVAL') : work(...args));
  };
  return {
    ...real,
    link: fat(() => fault('EPERM')),
    mkdir: async (path: string, ...options: never[]) => {
      // Node's own way to say it.
      const error = Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'mkdir' });
      return /:/.test(path) ? Promise.reject(error) : real.mkdir(path, ...options);
    },
    open: fat(real.open as (...args: unknown[]) => Promise<unknown>),
    rename: fat(real.rename as (...args: unknown[]) => Promise<unknown>),
  };
});

test('a photo whose name the disk does not take is filed under one that it takes', async () => {
  const dir = await temporaryDir();
  await mkdir(join(dir, 'spool'));
  const filing = new Filing(new HomeDisk(dir), { after: 'move', xmp: false }, silent);
  for (const [n, file] of ['flat: 3/12:30.jpg', 'flat: 3/12:30.jpg', 'a.'].entries()) {
    const path = join(dir, 'spool', `key${n}.photo`);
    await writeFile(path, 'photo');
    const entry: SpoolEntry = {
      ...{ id: `id-${n}`, source: 'folder', file, key: `key${n}`, path },
      ...{ receivedAt: '2026-01-02T03:04:05.678Z', size: 5, mtimeMs: 0 },
      ...{ durable: true, body: 'moved' },
    };
    await filing.file(entry, failed(entry, new RetaggerError('image_corrupt', 'why')));
  }
  const names = ['12_30-2.jpg', '12_30-2.jpg.error.json', '12_30.jpg', '12_30.jpg.error.json'];
  expect((await readdir(join(dir, 'failed/flat_ 3'))).sort()).toEqual(names);
  expect((await readdir(join(dir, 'failed'))).sort()).toEqual(['a_', 'a_.error.json', 'flat_ 3']);
  expect(await readdir(join(dir, 'spool'))).toEqual([]);
});
