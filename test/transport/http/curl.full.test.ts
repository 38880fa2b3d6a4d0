import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { home } from '../../e2e/harness.ts';
import { LABELS } from './support.ts';

/** The paper's call as people make it on a command line, on the real program with its model. */

/** @returns status and body. */
async function curl(...args: string[]): Promise<[number, Record<string, unknown>]> {
  const run = promisify(execFile)('curl', ['-sS', '-w', '\n%{http_code}', ...args]);
  const [body = '', status = ''] = (await run).stdout.split(/\n(?=\d+$)/);
  return [Number(status), JSON.parse(body)];
}

test('curl gets the six scores', async () => {
  const { url, run } = await home();
  await run().ready();
  const photo = 'image=@test/fixtures/rooms/kitchen.jpg';
  const [status, scores] = await curl('-F', photo, `${url}/re-tagger`);
  expect(status).toBe(200);
  expect(Object.keys(scores)).toEqual(LABELS);
  const sum = Object.values(scores).reduce<number>((total, score) => total + Number(score), 0);
  expect(sum).toBeCloseTo(1, 6);
  const accept = 'Accept: application/vnd.retagger.result+json';
  const [, result] = await curl('-H', accept, '-F', photo, `${url}/re-tagger`);
  expect(result).toMatchObject({ source: 'http', file: 'kitchen.jpg', width: expect.any(Number) });
});

test('curl sees why an upload is refused, however large it is', async () => {
  const { url, run, dir } = await home(['--limits-upload-bytes', '100000']);
  await run().ready();
  const large = join(dir, 'large.jpg');
  await writeFile(large, '');
  await truncate(large, 300_000_000);
  const refused = async (...args: string[]) => {
    const [status, { code }] = await curl(...args, `${url}/re-tagger`);
    return [status, code];
  };
  expect(await refused('-F', `image=@${large}`)).toEqual([413, 'image_too_large']);
  expect(await refused('-H', 'Expect:', '-F', `image=@${large}`)).toEqual([413, 'image_too_large']);
  expect(await refused('-F', `photo=@${large}`)).toEqual([400, 'image_missing']);
  expect(await refused('--data-binary', `@${large}`)).toEqual([400, 'image_missing']);
  expect(await refused('-H', 'Host: evil.example', '-F', `image=@${large}`)).toEqual([
    403,
    'host_forbidden',
  ]);
});
