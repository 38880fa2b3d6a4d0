import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { loadBundle } from '../../src/inference/bundle.ts';
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
])('refuses a model %s, and says where', async (_, change, message) => {
  const { dir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  const file = join(dir, 'model.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...manifest, ...change }));
  await expect(loadBundle(dir)).rejects.toThrow(message);
});
