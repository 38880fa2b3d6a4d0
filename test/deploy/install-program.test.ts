import { chmod, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { temporaryDir } from '../daemon/support.ts';
import { script } from './support.ts';

const { installProgram } = await script('install-program.mjs');

/** An npm that installs these modules, whatever target it is given. */
async function npmThatInstalls(module: string): Promise<void> {
  const dir = await temporaryDir();
  const npm = join(dir, 'npm');
  await writeFile(
    npm,
    `#!/bin/sh\n[ "$1" = --version ] && echo 9.2.0 && exit\nmkdir -p node_modules/${module}\necho '{}' >node_modules/${module}/package.json\n`,
  );
  await chmod(npm, 0o755);
  vi.stubEnv('PATH', `${dir}${delimiter}${process.env.PATH}`);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

test('an npm that installs for the CPU it runs on makes no program for another', async () => {
  await npmThatInstalls('@img/sharp-linux-x64');
  const folder = await temporaryDir();
  expect(() => installProgram(folder, 'arm64')).toThrow('npm 9.2.0 does not install for arm64');
});

test('an npm that installs for the target does', async () => {
  await npmThatInstalls('@img/sharp-linux-arm64');
  const folder = await temporaryDir();
  expect(() => installProgram(folder, 'arm64')).not.toThrow();
});
