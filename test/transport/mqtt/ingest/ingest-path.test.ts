import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveIngestPath } from '../../../../src/transport/mqtt/ingest/ingest-path.ts';
import { temporaryDir } from '../../../daemon/support.ts';

async function folder() {
  const dir = await temporaryDir();
  const ingest = join(dir, 'ingest');
  await mkdir(join(ingest, 'sub'), { recursive: true });
  await writeFile(join(ingest, 'sub', 'a b\né.jpg'), 'photo');
  await writeFile(join(dir, 'secret'), 'secret');
  await symlink(join(dir, 'secret'), join(ingest, 'link.jpg'));
  await symlink(dir, join(ingest, 'up'));
  await symlink('sub', join(ingest, 'inside'));
  execFileSync('mkfifo', [join(ingest, 'pipe')]);
  return { dir, ingest };
}

test('a file below the ingest folder', async () => {
  const { ingest } = await folder();
  expect(await resolveIngestPath(ingest, 'sub/a b\né.jpg')).toBe(join(ingest, 'sub/a b\né.jpg'));
});

test('the ingest folder itself may be a link', async () => {
  const { dir, ingest } = await folder();
  await symlink(ingest, join(dir, 'alias'));
  expect(await resolveIngestPath(join(dir, 'alias'), 'sub/a b\né.jpg')).toBe(
    join(dir, 'alias', 'sub/a b\né.jpg'),
  );
});

test.each([
  '../secret',
  'sub/../../secret',
  'sub/..',
  '..',
  '.',
  './sub',
  'sub//a',
  'sub/',
  '/etc/passwd',
  '//etc/passwd',
  'link.jpg',
  'up/secret',
  'inside/a b\né.jpg',
  'sub',
  'pipe',
  'sub/a\0.jpg',
  `${'n'.repeat(300)}.jpg`,
])('%j is refused', async (path) => {
  const { ingest } = await folder();
  await expect(resolveIngestPath(ingest, path)).rejects.toMatchObject({ code: 'request_invalid' });
});

test.each(['gone.jpg', 'sub/gone.jpg', 'gone/a.jpg', 'sub/a b\né.jpg/x', '..\\secret'])(
  '%j is missing',
  async (path) => {
    const { ingest } = await folder();
    await expect(resolveIngestPath(ingest, path)).rejects.toMatchObject({ code: 'file_missing' });
  },
);

test('without an ingest folder everything is missing', async () => {
  const { dir } = await folder();
  const look = resolveIngestPath(join(dir, 'nowhere'), 'a.jpg');
  await expect(look).rejects.toMatchObject({ code: 'file_missing' });
});
