import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';

test('each refused fixture has its code, and the photo after it is tagged', () => {
  const { stdout } = spawnSync(
    process.execPath,
    ['dist/cli.js', 'tag', 'test/fixtures/refused', 'test/fixtures/rooms/hall.jpg'],
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  );
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ file, code }) => [file.split('/').at(-1), code])).toEqual([
    ['bomb.png', 'image_too_large'],
    ['drawing.svg', 'image_unsupported'],
    ['empty.jpg', 'image_corrupt'],
    ['text.jpg', 'image_unsupported'],
    ['truncated.jpg', 'image_corrupt'],
    ['hall.jpg', undefined],
  ]);
});

test('docs/errors.md lists every code with its status', async () => {
  const text = await readFile('docs/errors.md', 'utf8');
  for (const [code, { status }] of Object.entries(ERRORS)) {
    expect(text).toContain(`| \`${code}\` | ${status} |`);
  }
});
