import { execFile } from 'node:child_process';
import { appendFile, chmod, chown, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  dropIfSame,
  isStill,
  lookAt,
  mayTake,
  present,
  whatIsThere,
} from '../../src/daemon/origin.ts';
import { temporaryDir } from './support.ts';

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

  test('is another where it was written anew, with the same bytes too', async () => {
    const { file, origin } = await taken();
    await utimes(file, AT + 2, AT + 2);
    const now = await lookAt(file);
    const asked = () => Promise.reject(new Error('no bytes need to be read for that'));
    expect(await isStill(now, origin, asked)).toBe(false);
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

// Root may do anything, so another user asks.
describe.skipIf(process.geteuid?.() !== 0)('a user with few rights', () => {
  const NOBODY = 65_534;
  const built = (name: string) =>
    JSON.stringify(fileURLToPath(new URL(`../../dist/daemon/${name}.js`, import.meta.url)));

  /** What an expression with a file comes to: "ok", or the codes of the error. */
  async function asNobody(expression: string, file: string): Promise<string> {
    const program = `const { dropIfSame, lookAt, mayTake } = await import(${built('origin')});
      const { Originals } = await import(${built('originals')});
      const file = ${JSON.stringify(file)};
      const said = await (async () => ${expression})().then(
        () => 'ok',
        (error) => [error.code, error.cause?.code ?? error.cause?.message].join(' '),
      );
      process.stdout.write(said.trim());`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      { uid: NOBODY, gid: NOBODY, cwd: '/' },
    );
    return stdout;
  }

  async function folder(mode: number, owner: number) {
    const root = await temporaryDir();
    await chmod(root, 0o755);
    const dir = join(root, 'photos');
    await mkdir(dir);
    await chown(dir, owner, owner);
    await chmod(dir, mode);
    const file = join(dir, 'a.jpg');
    await writeFile(file, 'half');
    return file;
  }

  const WAYS = [
    'mayTake(file)',
    'mayTake(Buffer.from(file))',
    'new Originals({}).claim(file, "key")',
  ];
  test.each(WAYS)('may take a file that can be read and moved: %s', async (way) => {
    expect(await asNobody(way, await folder(0o777, 0))).toBe('ok');
  });

  test.each(WAYS)('is told that its folder is read-only: %s', async (way) => {
    expect(await asNobody(way, await folder(0o755, 0))).toBe('file_missing EACCES');
  });

  test('is told that a file cannot be read', async () => {
    const file = await folder(0o777, 0);
    await chmod(file, 0o600);
    expect(await asNobody('mayTake(file)', file)).toBe('file_missing EACCES');
  });

  test('is told of a folder in which everybody may remove only their own', async () => {
    const file = await folder(0o1777, 0);
    expect(await asNobody('mayTake(file)', file)).toMatch(/^file_missing in its folder everybody/);
    await chown(file, NOBODY, NOBODY);
    expect(await asNobody('mayTake(file)', file)).toBe('ok');
    expect(await asNobody('mayTake(file)', await folder(0o1777, NOBODY))).toBe('ok');
    // Root may remove theirs, too.
    const theirs = await folder(0o1777, NOBODY);
    await chown(theirs, NOBODY, NOBODY);
    await expect(mayTake(theirs)).resolves.toBeUndefined();
  });

  test('hears of a file that is gone as of one that is gone', async () => {
    const file = await folder(0o777, 0);
    await rm(file);
    expect(await asNobody('mayTake(file)', file)).toBe('ENOENT');
  });

  test('is told that an original cannot be deleted', async () => {
    const file = await folder(0o755, 0);
    expect(await asNobody('dropIfSame(await lookAt(file))', file)).toBe('EACCES');
  });
});
