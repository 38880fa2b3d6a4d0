import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkLabels, foldersPassedOver } from '../../../src/training/data/label-names.ts';
import { evaluateScores } from '../../../src/training/metrics.ts';
import { metricsTable } from '../../../src/training/publish/model-card.ts';

test.each([
  [['hall', '_abstained'], /"_abstained" cannot be told from the folder of photos without a tag/],
  [['hall', 'Hall'], /"Hall" cannot be told from label "hall"/],
  [['K\u00fcche', 'ku\u0308che'], /cannot be told from/],
  [['hall', 'a\tb'], /"a\\tb" has control characters/],
])('%j is refused', (labels, message) => {
  expect(() => checkLabels('photos', labels)).toThrow(message);
});

test('other names are a matter of taste', () => {
  checkLabels('photos', ['hall', 'halls', 'K\u00fcche', 'a|b', '_http']);
});

test('folders that are no labels are named', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'retagger-labels-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const name of ['hall', '.thumbnails', '_abstained']) await mkdir(join(dir, name));
  expect((await foldersPassedOver(dir)).sort()).toEqual(['.thumbnails', '_abstained']);
});

test('a bar in a label breaks no table', () => {
  const table = metricsTable(evaluateScores(['a|b', 'c'], [0, 1], [[1, 0], [0, 1]])); // biome-ignore format: a table
  expect(table).toContain('| a\\|b | 1.000');
});
