import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { mayTake } from '../../../src/daemon/spool/may-take.ts';
import { temporaryDir } from '../support.ts';

// Root may do anything, so another user asks.
describe.skipIf(process.geteuid?.() !== 0)('a user with few rights', () => {
  const NOBODY = 65_534;
  const built = (name: string) =>
    JSON.stringify(
      fileURLToPath(new URL(`../../../dist/daemon/spool/${name}.js`, import.meta.url)),
    );

  /** What an expression with a file comes to: "ok", or the codes of the error. */
  async function asNobody(expression: string, file: string): Promise<string> {
    const program = `const { dropIfSame, lookAt } = await import(${built('origin')});
      const { mayTake } = await import(${built('may-take')});
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
