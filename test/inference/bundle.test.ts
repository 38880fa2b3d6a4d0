import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadBundle, verifyBundle } from '../../src/inference/bundle.ts';
import { LABELS, writeTinyBundle } from './tiny-bundle.ts';

it.each<[string, object, RegExp]>([
  ['of a later format', { format: 2 }, /model\.json: \/format/],
  ['without a temperature', { temperature: undefined }, /model\.json: .*temperature/],
  ['that divides by nothing', { temperature: 0 }, /model\.json: \/temperature/],
  [
    'with a label that has no threshold',
    { labels: [...LABELS, 'garage'] },
    /model\.json: no threshold for label "garage"/,
  ],
  [
    'with a label that every object knows and no threshold',
    { labels: [...LABELS, 'constructor'] },
    /model\.json: no threshold for label "constructor"/,
  ],
  ['with a label twice', { labels: [...LABELS, ...LABELS] }, /model\.json: \/labels/],
  ['whose label breaks a line', { labels: [...LABELS, 'a\nb'] }, /model\.json: \/labels\/6/],
])('refuses a model %s, and says where', async (_, change, message) => {
  const { dir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  const file = join(dir, 'model.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...manifest, ...change }));
  await expect(loadBundle(dir)).rejects.toThrow(message);
});

it.each<[string, (file: string) => void, RegExp]>([
  ['a named pipe', (file) => execFileSync('mkfifo', [file]), /not a regular file/],
  [
    'half a gigabyte',
    (file) => execFileSync('truncate', ['-s', '512M', file]),
    /more than \d+ bytes/,
  ],
])('refuses a model whose model.json is %s, at once', async (_, make, message) => {
  const { dir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  const file = join(dir, 'model.json');
  await rm(file);
  make(file);
  await expect(loadBundle(dir)).rejects.toThrow(message);
});

it('says of a file without a checksum that it has none', async () => {
  const { dir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  const bundle = await loadBundle(dir);
  const bare = { ...bundle, manifest: { ...bundle.manifest, sha256: {} } };
  await expect(verifyBundle(bare)).rejects.toThrow(/has no checksum in model\.json/);
});
