import { expect, test } from 'vitest';
import { checkLabels } from '../../../src/training/data/label-names.ts';
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

test('a bar in a label breaks no table', () => {
  const table = metricsTable(evaluateScores(['a|b', 'c'], [0, 1], [[1, 0], [0, 1]])); // biome-ignore format: a table
  expect(table).toContain('| a\\|b | 1.000');
});
