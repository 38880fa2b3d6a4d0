import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DataLock } from '../../src/daemon/lock.ts';
import { temporaryDir } from './support.ts';

test('one data folder, one daemon, by whatever name it is called', async () => {
  const dir = await temporaryDir();
  await symlink(dir, `${dir}-link`);
  onTestFinished(() => unlink(`${dir}-link`));
  const first = new DataLock(dir);
  await first.start();
  await expect(new DataLock(join(dir, '.')).start()).rejects.toThrow(/already runs.*data\.dir/);
  await expect(new DataLock(`${dir}-link`).start()).rejects.toThrow(/already runs/);
  const other = new DataLock(await temporaryDir());
  await other.start();
  await first.stop();
  const next = new DataLock(dir);
  await next.start();
  // An inode may be used again by the next test's folder.
  for (const lock of [other, next]) await lock.stop();
});

test('a killed daemon leaves no lock behind', async () => {
  const dir = await temporaryDir();
  const program = `const { createServer } = await import('node:net');
    const { statSync } = await import('node:fs');
    const { dev, ino } = statSync(${JSON.stringify(dir)}, { bigint: true });
    createServer().listen('\\0retagger-' + dev + '-' + ino, () => console.log('held'));`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', program]);
  await once(holder.stdout, 'data');
  await expect(new DataLock(dir).start()).rejects.toThrow(/already runs/);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const next = new DataLock(dir);
  await next.start();
  await next.stop();
});
