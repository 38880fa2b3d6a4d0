import { spawnSync } from 'node:child_process';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { BUNDLED_MODEL_DIR } from '../../src/inference/bundle.ts';
import { claimFolders } from '../../src/training/claim.ts';
import { TRAIN_DEFAULTS } from '../../src/training/options.ts';
import { train } from '../../src/training/train.ts';
import { temporaryDir } from '../temporary-dir.ts';
import { drawPhotos } from './fixture-photos.ts';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, mkdir: vi.fn(real.mkdir) };
});

let dir = '';
beforeEach(async () => {
  dir = await temporaryDir();
});

test('a folder is one run at a time, and free again afterwards', async () => {
  const [out, cache] = [join(dir, 'out'), join(dir, 'cache')];
  const release = await claimFolders({ '--out': out, '--cache': cache });
  await expect(claimFolders({ '--out': join(dir, 'b'), '--cache': cache })).rejects.toThrow(
    `another training is using --cache ${cache}`,
  );
  // What the refused one had is given back.
  (await claimFolders({ '--out': join(dir, 'b'), '--cache': join(dir, 'b') }))();
  release();
  (await claimFolders({ '--out': out, '--cache': cache }))();
});

test('a folder is open as the umask has it; of one that cannot be made the true reason is said', async () => {
  const out = join(dir, 'a/out');
  (await claimFolders({ '--out': out }))();
  expect((await stat(out)).mode & 0o777).toBe(0o777 & ~process.umask());
  vi.mocked(mkdir).mockImplementation((_path, how) => {
    const recursive = (how as { recursive?: boolean }).recursive ?? false;
    // So Node says of a read-only disk.
    const code = recursive ? 'ENOENT' : 'EROFS';
    return Promise.reject(Object.assign(new Error(code), { code }));
  });
  await expect(claimFolders({ '--out': join(dir, 'b') })).rejects.toThrow('EROFS');
  vi.mocked(mkdir).mockReset();
});

test('train refuses folders in use, before anything is computed', async () => {
  const data = join(dir, 'photos');
  await drawPhotos(data, 2);
  const base = join(BUNDLED_MODEL_DIR, 'weights.f16.safetensors');
  const options = { ...TRAIN_DEFAULTS, data, out: join(dir, 'out'), base, validation: 0.5 };
  const release = await claimFolders({ '--out': options.out });
  const release2 = await claimFolders({ '--cache': join(dir, 'cache') });
  await expect(train(options)).rejects.toThrow(`is using --out ${options.out}`);
  await expect(train({ ...options, out: dir, cache: join(dir, 'cache') })).rejects.toThrow(
    'is using --cache',
  );
  // The command says so rather than that the run was stopped.
  await writeFile(join(options.out, 'model.json'), '{}');
  const args = ['train', '--data', data, '--out', options.out];
  const { stderr } = spawnSync(process.execPath, ['dist/cli.js', ...args], { encoding: 'utf8' });
  expect(stderr).toContain('another training is using');
  release();
  release2();
});
