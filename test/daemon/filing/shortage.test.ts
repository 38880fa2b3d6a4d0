import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { Filing } from '../../../src/daemon/filing/filing.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { failed } from '../../../src/daemon/pipeline/outcome.ts';
import type { SpoolEntry } from '../../../src/daemon/spool/spool-entry.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { silent, temporaryDir } from '../support.ts';

const faults = vi.hoisted(() => ({ reads: 0 }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const readFile: typeof real.readFile = (async (...args: Parameters<typeof real.readFile>) => {
    if (--faults.reads < 0) return real.readFile(...args);
    throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  }) as typeof real.readFile;
  return { ...real, readFile };
});

test('a photo whose own sidecar cannot be read for want of open files is not filed twice', async () => {
  const dir = await temporaryDir();
  const filing = new Filing(new HomeDisk(dir), { after: 'move', xmp: false }, silent);
  await mkdir(join(dir, 'spool'));
  const path = join(dir, 'spool/key.photo');
  await writeFile(path, 'no photo');
  const entry: SpoolEntry = {
    ...{ id: 'id-1', source: 'folder', file: 'a.jpg', receivedAt: '2026-01-02T03:04:05.678Z' },
    ...{ key: 'key', path, size: 8, durable: true, mtimeMs: 0, body: 'moved' },
  };
  const outcome = failed(entry, new RetaggerError('image_corrupt'));
  await filing.file(entry, outcome);
  faults.reads = 1;
  await expect(filing.file(entry, outcome)).rejects.toMatchObject({ code: 'EMFILE' });
  await filing.file(entry, outcome);
  expect((await readdir(join(dir, 'failed'))).sort()).toEqual(['a.jpg', 'a.jpg.error.json']);
});
