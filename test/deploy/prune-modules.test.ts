import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from '../daemon/support.ts';
import { script, writeFiles } from './support.ts';

const { pruneModules } = await script('prune-modules.mjs');

const KOFFI_RUNS = [
  '@koromix/koffi-linux-x64/index.js',
  '@koromix/koffi-linux-x64/linux_x64/koffi.node',
  '@koromix/koffi-linux-x64/package.json',
  'koffi/LICENSE.txt',
  'koffi/index.cjs',
  'koffi/index.js',
  'koffi/package.json',
  'koffi/src/koffi/index.cjs',
  'koffi/src/koffi/index.js',
  'koffi/src/koffi/src/static.cjs',
  'koffi/src/koffi/src/static.js',
];
const KOFFI_IS_BUILT_FROM = [
  '@koromix/koffi-linux-x64/README.md',
  '@koromix/koffi-linux-x64/musl_x64/koffi.node',
  'koffi/cnoke.cjs',
  'koffi/doc/start.md',
  'koffi/index.d.ts',
  'koffi/indirect.js',
  'koffi/lib/native/base/base.cc',
  'koffi/src/koffi/CMakeLists.txt',
  'koffi/src/koffi/src/abi/arm64_asm.S',
  'koffi/src/koffi/src/call.cc',
  'koffi/src/koffi/src/trampolines.cjs',
  'koffi/vendor/node-addon-api/napi.h',
];

test('of koffi a box gets what loads it, and not what it is built from', async () => {
  const dir = await temporaryDir();
  await writeFiles(dir, [...KOFFI_RUNS, ...KOFFI_IS_BUILT_FROM]);
  pruneModules(dir, 'x64');
  const left = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = left.filter((entry) => entry.isFile());
  const names = files.map(({ parentPath, name }) => join(parentPath, name).slice(dir.length + 1));
  expect(names.sort()).toEqual(KOFFI_RUNS);
});

test('of sharp a box gets what is built for glibc', async () => {
  const dir = await temporaryDir();
  const runs = ['libvips-linux-x64/lib/libvips.so', 'linux-x64/lib/sharp.node'];
  const rest = ['libvips-linuxmusl-x64/lib/libvips.so', 'linuxmusl-x64/lib/sharp.node'];
  await writeFiles(
    dir,
    [...runs, ...rest].map((name) => `@img/sharp-${name}`),
  );
  pruneModules(dir, 'x64');
  const left = await readdir(join(dir, '@img'));
  expect(left.sort()).toEqual(['sharp-libvips-linux-x64', 'sharp-linux-x64']);
});
