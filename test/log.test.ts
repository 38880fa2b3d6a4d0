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
