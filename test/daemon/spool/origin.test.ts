import { renameSync, symlinkSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  dropIfSame,
  isStill,
  lookAt,
  present,
  whatIsThere,
} from '../../../src/daemon/spool/origin.ts';
import { temporaryDir } from '../support.ts';

const look = vi.hoisted(() => ({ after: () => {} }));
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  const lstatSync = (path: string) => {
    const stats = real.lstatSync(path);
    look.after();
    return stats;
  };
  return { ...real, lstatSync };
});

/** Seconds, whole as FAT has them. */
const AT = 1.7e9;

async function taken() {
  const dir = join(await temporaryDir(), 'photos');
  await mkdir(dir);
  const file = join(dir, 'a.jpg');
  await writeFile(file, 'half');
  await utimes(file, AT, AT);
  return { dir, file, origin: await lookAt(file) };
}

describe("a user's file that was taken", () => {
  test('is another with more bytes, whatever its time says', async () => {
    const { file, origin } = await taken();
    await appendFile(file, ' and half');
    await utimes(file, AT, AT);
    expect(dropIfSame(origin)).toMatchObject({ size: 13, mtimeMs: origin.mtimeMs });
    expect(await readFile(file, 'utf8')).toBe('half and half');
  });

  test('is what is removed, where a link takes its folder’s place after the look', async () => {
    const { dir, origin } = await taken();
    const [away, others] = [`${dir}.away`, `${dir}.others`];
    await mkdir(others);
    await writeFile(join(others, 'a.jpg'), 'of others');
    look.after = () => {
      look.after = () => {};
      renameSync(dir, away);
      symlinkSync(others, dir);
    };
    expect(dropIfSame(origin)).toBe('removed');
    expect(await readdir(away)).toEqual([]);
    expect(await readdir(others)).toEqual(['a.jpg']);
  });

  test('is another where it was written anew, with the same bytes too', async () => {
    const { file, origin } = await taken();
    await utimes(file, AT + 2, AT + 2);
    const now = await lookAt(file);
    const asked = () => Promise.reject(new Error('no bytes need to be read for that'));
    expect(await isStill(now, origin, asked)).toBe(false);
    expect(await isStill(now, now, asked)).toBe(true);
    expect(dropIfSame(origin)).toEqual(now);
  });

  test.each(['string', 'bytes'])(
    'is gone with its folder, or with a file in its place: %s',
    async (kind) => {
      const { dir, file, origin } = await taken();
      const path = kind === 'bytes' ? Buffer.from(file) : file;
      for (const put of [async () => {}, () => writeFile(dir, 'a file')]) {
        await rm(dir, { recursive: true, force: true });
        await put();
        // Older versions kept no device.
        for (const gone of [
          { ...origin, path },
          { ...origin, path, dev: undefined },
        ]) {
          expect(await whatIsThere(gone)).toBe(null);
          expect(dropIfSame(gone)).toBe(null);
          await expect(present(lookAt(path))).rejects.toMatchObject({ code: 'file_missing' });
        }
      }
    },
  );

  test('is not gone where its disk is, with its mount point or without', async () => {
    const { dir, origin } = await taken();
    const away = { ...origin, dev: (origin.dev ?? 0) + 1 };
    await rm(origin.path);
    await expect(whatIsThere(away)).rejects.toThrow('its disk is away');
    await rm(dir, { recursive: true });
    await expect(whatIsThere(away)).rejects.toThrow('its disk is away');
  });
});
