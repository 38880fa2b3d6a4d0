import { expect, test } from 'vitest';
import { spellings } from '../../../src/daemon/filing/filed-name.ts';

test('a name is spelt anew only in what a file system does not take', () => {
  const at = (name: string) => [...spellings({ root: 'tagged/bad', sub: 'Straße 3./x', name })];
  expect(at('12:30 Küche?.jpg').map(({ root, sub, name }) => `${root}/${sub}/${name}`)).toEqual([
    'tagged/bad/Straße 3./x/12:30 Küche?.jpg',
    'tagged/bad/Straße 3_/x/12_30 Küche_.jpg',
    'tagged/bad/Stra_e 3_/x/12_30 K_che_.jpg',
  ]);
  expect([...spellings({ root: 'failed', sub: '', name: 'icon.jpg' })]).toHaveLength(1);
  expect([...spellings({ root: 'failed', sub: 'x/aux', name: 'CON.jpg. ' })][1]).toEqual({
    ...{ root: 'failed', sub: 'x/_aux', name: '_CON.jpg._' },
  });
});
