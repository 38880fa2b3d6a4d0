import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
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

const LOG = new URL('../dist/log.js', import.meta.url).href;

test('a full disk under it ends nothing, and does not fill the memory', () => {
  const program = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
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

test('a reader that has stopped reading stops nothing, and gets whole lines once it reads', async () => {
  const program = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
    const log = await createLogger({ level: 'info' });
    for (let n = 0; n < 3000; n++) log.info({ n }, 'x'.repeat(1000));
    process.stderr.write('went on');
    process.stdin.once('data', () => log.info('last'));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
  child.stdout.pause();
  const [said] = await once(child.stderr, 'data');
  expect(String(said)).toBe('went on');
  child.stdin.end('\n');
  const lines = (await text(child.stdout)).trim().split('\n');
  const read = lines.map((line) => JSON.parse(line));
  expect(read.length).toBeGreaterThan(50);
  expect(read.map(({ n }) => n).slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test('what steers a terminal or turns a line round is written by its number', () => {
  const name = 'a\u009b31m\u202egpj.\u2028\x7f\\\x1b[0m';
  const program = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
    const log = await createLogger({ level: 'info' });
    log.info({ file: ${JSON.stringify(name)} }, ${JSON.stringify(name)});`;
  const args = ['--input-type=module', '--eval', program];
  const plain = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(JSON.parse(plain.stdout)).toMatchObject({ file: name, msg: name });
  const terminal = `Object.defineProperty(process.stdout, 'isTTY', { value: true });${program}`;
  const pretty = spawnSync(process.execPath, [...args.slice(0, 2), terminal], { encoding: 'utf8' });
  expect(pretty.stdout).toContain('a\\u009b31m\\u202egpj.');
  for (const { stdout } of [plain, pretty]) {
    expect(stdout).not.toMatch(/[\x7f-\x9f\u2028\u202e]/);
    expect(stdout.trim()).not.toContain('\n');
  }
});
