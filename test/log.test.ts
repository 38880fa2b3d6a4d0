import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createLogger, withoutCredentials } from '../src/log.ts';

async function logged(about: object): Promise<Record<string, unknown>> {
  let line = '';
  const destination = {
    write(text: string) {
      line += text;
    },
  };
  const log = await createLogger({ level: 'info', destination });
  log.info(about, 'hello');
  return JSON.parse(line);
}

test('a line is JSON with level, time and message', async () => {
  expect(await logged({ a: 1 })).toMatchObject({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    msg: 'hello',
    a: 1,
  });
});

test('secrets are not in it', async () => {
  const line = JSON.stringify(
    await logged({
      token: 's3cret',
      url: 'mqtts://me:s3cret@host:8883',
      http: { token: 's3cret', port: 1 },
      config: { mqtt: { password: 's3cret' } },
      headers: { authorization: 'Bearer s3cret' },
    }),
  );
  expect(line).not.toContain('s3cret');
  expect(line).toContain('mqtts://***@host:8883');
});

test.each([
  ['mqtt://127.0.0.1:1883', 'mqtt://127.0.0.1:1883'],
  ['mqtts://token@host', 'mqtts://***@host'],
  ['mqtt://me:p@ss:wo/rd@host', 'mqtt://***@host'],
  ['mqtt:/me:word@host', 'mqtt:/***@host'],
  ['//me:word@host', '***@host'],
])('%s is shown as %s', (url, shown) => {
  expect(withoutCredentials(url)).toBe(shown);
});

test('a full disk under it ends nothing, and does not fill the memory', () => {
  const log = new URL('../dist/log.js', import.meta.url).href;
  const program = `
    const { createLogger } = await import(${JSON.stringify(log)});
    const log = await createLogger({ level: 'info' });
    for (let n = 0; n < 20_000; n++) {
      log.info('x'.repeat(10_000));
      if (n % 1000 === 0) await new Promise(setImmediate);
    }
    console.error(process.memoryUsage().rss < 150 * 1024 * 1024 ? 'alive' : 'too large');`;
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'], encoding: 'utf8' },
  );
  expect({ stderr, status }).toEqual({ stderr: 'alive\n', status: 0 });
});
