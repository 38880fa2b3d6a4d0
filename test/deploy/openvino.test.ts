import { spawnSync } from 'node:child_process';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDir } from '../daemon/support.ts';
import { script, writeFiles } from './support.ts';

const { copyOpenvino, folderIn, LIBRARIES, PIN } = await script('openvino.mjs');

/** What `setup:openvino` leaves, with small files. */
async function setUp(root: string): Promise<string> {
  const folder = folderIn(root);
  const names = [...LIBRARIES, 'licenses/LICENSE'];
  await writeFiles(folder, names);
  const files = Object.fromEntries(names.map((name) => [name, name.length + 1]));
  const manifest = { openvino: '1', wheel: PIN.sha256, files };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  return folder;
}

test('a program gets the libraries and their licences', async () => {
  const [root, program] = [await temporaryDir(), await temporaryDir()];
  // The program looks for it there in a checkout too.
  expect(await setUp(root)).toBe(join(root, 'vendor/openvino'));
  expect(copyOpenvino(root, program)).toBe(true);
  const inside = join(program, 'vendor/openvino');
  expect(await readdir(inside)).toEqual(expect.arrayContaining(LIBRARIES));
  expect(await readFile(join(inside, 'licenses/LICENSE'), 'utf8')).toBe('licenses/LICENSE ');
  expect(await readdir(join(program, 'vendor'))).toEqual(['openvino']);
});

test('what is not there, is cut off, or of another version goes into no program', async () => {
  const [root, program] = [await temporaryDir(), await temporaryDir()];
  const none = () => expect(copyOpenvino(root, program)).toBe(false);
  none();
  const folder = await setUp(root);
  await truncate(join(folder, 'libtbb.so.12'), 3);
  none();
  await setUp(root);
  expect(copyOpenvino(root, program, { sha256: 'of the next version' })).toBe(false);
  expect(await readdir(program)).toEqual([]);
});

/** The command, with a wheel that is on disk. */
function setup(out: string, wheel: string, ...node: readonly string[]) {
  const args = [...node, 'scripts/setup-openvino.mjs', `--out=${out}`];
  const env = { ...process.env, RETAGGER_OPENVINO_WHEEL: wheel };
  return spawnSync(process.execPath, args, { encoding: 'utf8', env });
}

test('elsewhere than on x86-64 it says that there is none', async () => {
  const dir = await temporaryDir();
  const arm = "data:text/javascript,Object.defineProperty(process,'arch',{value:'arm64'})";
  const { status, stderr } = setup(join(dir, 'vendor'), '/nowhere', '--import', arm);
  expect(stderr).toMatch(/on x86-64 only, not on linux arm64$/m);
  expect(status).toBe(1);
  expect(await readdir(dir)).toEqual([]);
});

// Made for x86-64, not left out: elsewhere there is nothing to set up.
if (process.arch === 'x64') {
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
}
