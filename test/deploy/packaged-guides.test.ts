import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { script } from './support.ts';

const { GUIDES, packaged } = await script('packaged-guides.mjs');

test.each(GUIDES as string[])('every link of %s.md leads to what the package brings', (guide) => {
  const text = packaged(readFileSync(`docs/${guide}.md`, 'utf8')) as string;
  for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (target.startsWith('#')) continue;
    const [path = ''] = target.split('#');
    if (path.startsWith('examples/')) {
      expect(existsSync(path.replace('examples', 'deploy')), target).toBe(true);
    } else expect(GUIDES, target).toContain(path.replace(/\.md$/, ''));
  }
});

test('what is not on the box keeps its words', () => {
  expect(packaged('from [measured\nfigures](measurements.md), [there](errors.md#x)')).toBe(
    'from measured\nfigures, [there](errors.md#x)',
  );
});
