import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256OfFile } from '../../src/files/file-hash.ts';
import { openBelow, temporaryDir } from '../daemon/support.ts';

test('a file of many pieces, and one of none, have the hash of their bytes', async () => {
  const dir = await temporaryDir();
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(600_000, 'kitchen')]) {
    await writeFile(join(dir, 'photo'), bytes);
    const hash = createHash('sha256').update(bytes).digest('hex');
    expect(await sha256OfFile(join(dir, 'photo'))).toBe(hash);
  }
  expect(await openBelow(dir)).toEqual([]);
});

test('a named pipe, to which nobody may ever write, is refused at once', async () => {
  const dir = await temporaryDir();
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await expect(sha256OfFile(pipe)).rejects.toThrow('not a regular file');
  expect(await openBelow(dir)).toEqual([]);
});
