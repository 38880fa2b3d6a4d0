import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from '../daemon/support.ts';
import { pinOf, script, writeFiles } from './support.ts';

/** With wheels made here, and with what `setup:openvino` has fetched. Needs python3, as the script does. */

const { install, isComplete, LIBRARIES } = await script('openvino.mjs');
const INFO = 'openvino-2026.4.1.dist-info';
const WHEEL = [
  ...LIBRARIES.map((name: string) => `openvino/libs/${name}`),
  'openvino/libs/libopenvino_intel_gpu_plugin.so',
  'openvino/libs/libopenvino_auto_plugin.so',
  'openvino/__init__.py',
  `${INFO}/licenses/LICENSE`,
  `${INFO}/licenses/licensing/onetbb_third-party-programs.txt`,
  `${INFO}/METADATA`,
];

async function makeWheel(names: readonly string[], text = ''): Promise<string> {
  const dir = await temporaryDir();
  await writeFiles(join(dir, 'tree'), names, text);
  const file = join(dir, 'made.whl');
  execFileSync('python3', ['-m', 'zipfile', '-c', file, ...(await readdir(join(dir, 'tree')))], {
    cwd: join(dir, 'tree'),
  });
  return file;
}

async function put(folder: string, wheel: string, check = (_fresh: string) => {}) {
  const pin = await pinOf(wheel);
  await install(folder, { pin, given: wheel, say: () => {}, check });
  return pin;
}

const text = (folder: string) => readFile(join(folder, 'libtbb.so.12'), 'utf8');

test('of the wheel what the CPU needs is taken, with the licences', async () => {
  const folder = join(await temporaryDir(), 'vendor/openvino');
  const checked: string[] = [];
  const pin = await put(folder, await makeWheel(WHEEL), (fresh) => checked.push(fresh));
  expect(checked).toEqual([expect.not.stringMatching(folder)]);
  const expected = [...LIBRARIES, 'licenses', 'manifest.json'];
  expect((await readdir(folder)).sort()).toEqual(expected.sort());
  const licences = ['LICENSE', 'onetbb_third-party-programs.txt'];
  expect((await readdir(join(folder, 'licenses'))).sort()).toEqual(licences);
  expect(await text(folder)).toBe('openvino/libs/libtbb.so.12 ');
  expect(isComplete(folder, pin)).toBe(true);
  expect(await readdir(join(folder, '..'))).toEqual(['openvino']);
});

test('a newer one takes its place, and what a killed run has left goes', async () => {
  const vendor = await temporaryDir();
  const folder = join(vendor, 'openvino');
  await put(folder, await makeWheel(WHEEL, 'old'));
  await mkdir(join(vendor, '.openvino.a1b2c3/new'), { recursive: true });
  await mkdir(join(vendor, '.openvino-other.a1b2c3'));
  await put(folder, await makeWheel(WHEEL, 'new'));
  expect(await text(folder)).toMatch(/new$/);
  expect(await readdir(vendor)).toEqual(['.openvino-other.a1b2c3', 'openvino']);
});

test('what lies there stays where the new one is damaged, lacks a file, or does not load', async () => {
  const vendor = await temporaryDir();
  const folder = join(vendor, 'openvino');
  await put(folder, await makeWheel(WHEEL, 'old'));

  const damaged = await makeWheel(WHEEL, 'new');
  const bytes = await readFile(damaged);
  bytes.writeUInt8(0xff, bytes.indexOf('libtbb.so.12') + 'libtbb.so.12'.length);
  await writeFile(damaged, bytes);
  await expect(put(folder, damaged)).rejects.toThrow('python3 -c failed');
  const without = WHEEL.filter((name) => !name.endsWith('libtbb.so.12'));
  await expect(put(folder, await makeWheel(without))).rejects.toThrow('lacks libtbb.so.12');
  const check = () => {
    throw new Error('does not load');
  };
  await expect(put(folder, await makeWheel(WHEEL, 'new'), check)).rejects.toThrow('not load');

  expect(await text(folder)).toMatch(/old$/);
  expect(await readdir(vendor)).toEqual(['openvino']);
});

test('what was fetched for this machine loads', () => {
  // A wheel that is not there: nothing is fetched here.
  const env = { ...process.env, RETAGGER_OPENVINO_WHEEL: '/nowhere' };
  const args = ['scripts/setup-openvino.mjs'];
  const { stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  expect(stderr).toMatch(/^setup-openvino: already there \(OpenVINO 2026\.4\.1-/);
});
