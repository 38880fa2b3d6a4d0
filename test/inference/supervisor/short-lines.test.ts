import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { onShortLine } from '../../../src/inference/supervisor/short-lines.ts';

async function linesOf(limit: number, chunks: Iterable<string>): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  onShortLine(stream, limit, (line) => lines.push(line));
  for (const chunk of chunks) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  stream.end();
  await new Promise((resolve) => stream.once('close', resolve));
  return lines;
}

test('lines, however they come in pieces; the last one needs no end', async () => {
  expect(await linesOf(100, ['o', 'ne\ntwo\n', '\nfo', 'ur'])).toEqual(['one', 'two', '', 'four']);
});

test('what is too long is cut, in the middle of a piece and at its end', async () => {
  expect(await linesOf(5, ['abc', 'defgh', 'ij\n1234567\nxyz', 'uvw'])).toEqual([
    'abcde',
    '12345',
    'xyzuv',
  ]);
});

test('a line without an end is not kept', async () => {
  const before = process.memoryUsage().heapUsed;
  let most = 0;
  function* endless() {
    for (let n = 0; n < 2000; n++) {
      yield `${n}`.padEnd(65_536, '.');
      most = Math.max(most, process.memoryUsage().heapUsed - before);
    }
  }
  expect((await linesOf(500, endless()))[0]).toHaveLength(500);
  expect(most).toBeLessThan(64 * 1024 * 1024);
});
