import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the package starts Node as the first line of the program does', async () => {
  const [first = ''] = (await read('src/cli.ts')).split('\n');
  const launcher = await read('deploy/debian/retagger');
  const settings = [...first.matchAll(/(\w+)=(\d+)/g)];
  expect(settings).toHaveLength(3);
  for (const [, name, value] of settings) {
    expect(launcher).toMatch(new RegExp(`${name}="?(\\$\\{${name}:-)?${value}\\b`));
  }
  const flags = first.slice(first.indexOf('node ') + 'node '.length);
  expect(flags).toMatch(/^--/);
  expect(launcher).toContain(`bin/node ${flags} /`);
});
