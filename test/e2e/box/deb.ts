import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDir } from '../harness.ts';

const run = promisify(execFile);
const { version } = JSON.parse(await readFile('package.json', 'utf8'));
const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'];
const FILE = resolve(`deploy/out/retagger_${version}_${ARCH}.deb`);
/** What the package is made of. */
const PARTS = ['dist', 'models', 'systemd', 'scripts', 'deploy', 'docs', 'package-lock.json'];
const OPENVINO = existsSync('vendor') ? ['vendor'] : [];

/** The package of this tree for this machine, built where it is missing or older than the tree. */
export async function debFile(): Promise<string> {
  const built = await stat(FILE).catch(() => null);
  if (built === null || (await newest([...PARTS, ...OPENVINO])) > built.mtimeMs) {
    await run('node', ['scripts/build-deb.mjs', ARCH]);
  }
  return FILE;
}

/** The same package under a later version, as a file that is gone after the test. */
export async function laterDeb(file: string, later: string): Promise<string> {
  const dir = await temporaryDir();
  const tree = join(dir, 'tree');
  await run('dpkg-deb', ['--raw-extract', file, tree]);
  for (const part of ['DEBIAN/control', 'usr/lib/retagger/package.json']) {
    const text = await readFile(join(tree, part), 'utf8');
    await writeFile(
      join(tree, part),
      text.replace(/(Version: |"version": ")[^"\n]+/, `$1${later}`),
    );
  }
  const to = join(dir, `retagger_${later}_${ARCH}.deb`);
  await run('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z1', '--build', tree, to]);
  return to;
}

/** @returns when the newest file below was written, in ms. */
async function newest(paths: readonly string[]): Promise<number> {
  const times = await Promise.all(
    paths.map(async (path) => {
      const status = await stat(path);
      if (!status.isDirectory()) return status.mtimeMs;
      const names = (await readdir(path)).filter((name) => name !== 'out');
      return newest(names.map((name) => join(path, name)));
    }),
  );
  return Math.max(0, ...times);
}
