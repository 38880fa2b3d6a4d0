import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import type { NewPhoto } from '../../../src/daemon/ports.ts';
import { Spool } from '../../../src/daemon/spool/spool.ts';
import { silent, temporaryDir } from '../support.ts';

const faults = vi.hoisted(() => ({ looks: 0 }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const lstat = async (path: string) => {
    if (path.endsWith('.photo') && --faults.looks >= 0) {
      throw Object.assign(new Error('ENOMEM: lstat'), { code: 'ENOMEM' });
    }
    return real.lstat(path);
  };
  return { ...real, lstat };
});

test('a file that the disk fails once it is in the spool is where it was, to be taken again', async () => {
  const dir = await temporaryDir();
  const file = join(dir, 'a.jpg');
  await writeFile(file, 'kitchen');
  const spool = new Spool(new HomeDisk(dir), 1000, silent);
  await spool.open();
  const photo: NewPhoto = {
    ...{ id: 'id-1', source: 'folder', file: 'a.jpg', receivedAt: '2026-01-02T03:04:05.678Z' },
    body: { move: file },
  };
  faults.looks = 1;
  await expect(spool.add(photo, 'key')).rejects.toMatchObject({ code: 'busy' });
  expect(await readFile(file, 'utf8')).toBe('kitchen');
  expect(await readdir(spool.dir)).toEqual([]);
  await expect(spool.add(photo, 'key')).resolves.toMatchObject({ size: 7 });
});
