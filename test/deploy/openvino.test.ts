import { spawnSync } from 'node:child_process';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from '../daemon/support.ts';
import { script, writeFiles } from './support.ts';

const { copyOpenvino, folderFor, libraries, PINS } = await script('openvino.mjs');
const OTHER = process.arch === 'x64' ? 'arm64' : 'x64';

/** What `setup:openvino` leaves for a CPU, with small files. */
async function setUp(root: string, cpu: string): Promise<string> {
  const folder = folderFor(root, cpu);
  const names = [...libraries(cpu), 'licenses/LICENSE'];
  await writeFiles(folder, names);
  const files = Object.fromEntries(names.map((name) => [name, name.length + 1]));
  const manifest = { openvino: '1', cpu, wheel: PINS[cpu].sha256, files };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return folder;
}

test.each([process.arch, OTHER])('a program for %s gets the libraries for that', async (cpu) => {
  const [root, program] = [await temporaryDir(), await temporaryDir()];
  // The program looks for it there in a checkout too.
  expect(await setUp(root, process.arch)).toBe(join(root, 'vendor/openvino'));
  await setUp(root, OTHER);
  expect(copyOpenvino(root, program, cpu)).toBe(true);
  const inside = join(program, 'vendor/openvino');
  expect(await readdir(inside)).toEqual(expect.arrayContaining(libraries(cpu)));
  expect(await readFile(join(inside, 'licenses/LICENSE'), 'utf8')).toBe('licenses/LICENSE ');
  expect(await readdir(join(program, 'vendor'))).toEqual(['openvino']);
});

test('what is not there, is cut off, or of another version or CPU goes into no program', async () => {
  const [root, program] = [await temporaryDir(), await temporaryDir()];
  const none = () => expect(copyOpenvino(root, program, process.arch)).toBe(false);
  none();
  await setUp(root, OTHER);
  none();
  const folder = await setUp(root, process.arch);
  await truncate(join(folder, 'libtbb.so.12'), 3);
  none();
  await setUp(root, process.arch);
  const pin = { sha256: 'of the next version' };
  expect(copyOpenvino(root, program, process.arch, pin)).toBe(false);
  expect(await readdir(program)).toEqual([]);
});

/** The command, for the CPU whose libraries are not loaded, with a wheel that is on disk. */
function setup(out: string, wheel: string) {
  const args = ['scripts/setup-openvino.mjs', `--cpu=${OTHER}`, `--out=${out}`];
  const env = { ...process.env, RETAGGER_OPENVINO_WHEEL: wheel };
  return spawnSync(process.execPath, args, { encoding: 'utf8', env });
}

test('a wheel of another checksum is refused, and nothing is left of it', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'wheel'), 'kitchen');
  const { status, stderr } = setup(join(dir, 'vendor/openvino'), join(dir, 'wheel'));
  expect(stderr).toMatch(/wheel: SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}$/m);
  expect(status).toBe(1);
  expect(await readdir(join(dir, 'vendor'))).toEqual([]);
});

test('a folder that holds something else is not replaced', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'photo.jpg'), '');
  const { status, stderr } = setup(dir, join(dir, 'photo.jpg'));
  expect(stderr).toMatch(/holds something else/);
  expect(status).toBe(1);
  expect(await readdir(dir)).toEqual(['photo.jpg']);
});

test('once there, nothing is fetched again', async () => {
  const root = await temporaryDir();
  const { status, stderr } = setup(await setUp(root, OTHER), '/nowhere');
  expect(stderr).toMatch(/already there/);
  expect(status).toBe(0);
});
