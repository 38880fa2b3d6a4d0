import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** The built program, as a user calls it. */
function retagger(...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/cli.js', ...args], {
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr, lines: stdout.trim().split('\n') };
}

test.each([[], ['run'], ['tag'], ['train'], ['evaluate'], ['bench']])('%s --help', (...command) => {
  const { status, stdout } = retagger(...command, '--help');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: retagger/);
});

test('--version is the package version', () => {
  expect(retagger('--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  ['no command', []],
  ['an unknown command', ['fly']],
  ['an unknown option', ['tag', '--fast', 'a.jpg']],
  ['a missing argument', ['tag']],
  ['a value out of range', ['run', '--http-port', '99999']],
  ['an open address without token', ['run', '--http-host', '0.0.0.0']],
  ['a data folder that is missing', ['evaluate', '--data', '/nowhere']],
])('%s is exit code 2', (_name, args) => {
  const { status, stderr } = retagger(...args);
  expect(status).toBe(2);
  expect(stderr.length).toBeGreaterThan(10);
});

test('tag: a folder and a refused file, one JSON line each, in order', () => {
  const { status, lines } = retagger(
    'tag',
    'test/fixtures/rooms',
    'test/fixtures/refused/text.jpg',
  );
  const results = lines.map((line) => JSON.parse(line));
  expect(results.map(({ file }) => file)).toEqual([
    ...['balcony', 'bathroom', 'bedroom', 'hall', 'kitchen', 'others'].map(
      (name) => `test/fixtures/rooms/${name}.jpg`,
    ),
    'test/fixtures/refused/text.jpg',
  ]);
  const [first] = results;
  const sum = Object.values<number>(first.scores).reduce((a, b) => a + b, 0);
  expect(sum).toBeCloseTo(1, 6);
  expect(first).toMatchObject({ source: 'folder', width: 480, height: 360 });
  expect(results.at(-1).code).toBe('image_unsupported');
  expect(status).toBe(1);
});

test('tag --format table is for people', () => {
  const { status, stdout } = retagger('tag', '--format', 'table', 'test/fixtures/rooms/hall.jpg');
  expect(status).toBe(0);
  expect(stdout).toMatch(/%\s+test\/fixtures\/rooms\/hall\.jpg\n$/);
});

test('tag: a file that is not there', () => {
  const { status, lines } = retagger('tag', '/nowhere.jpg');
  expect(status).toBe(1);
  expect(JSON.parse(lines[0] as string).code).toBe('file_missing');
});

test('tag: a broken model folder is named', () => {
  const empty = mkdtempSync(join(tmpdir(), 'retagger-model-'));
  const { status, stderr } = retagger('tag', '--model-dir', empty, 'test/fixtures/rooms/hall.jpg');
  expect(status).toBe(1);
  expect(stderr).toContain(empty);
});

test('bench measures the engine asked for with photos it draws itself', () => {
  const { status, lines } = retagger(
    'bench',
    '--engine',
    'onnxruntime',
    '--count',
    '3',
    '--rounds',
    '1',
  );
  expect(status).toBe(0);
  expect(lines[0]).toMatch(/^engine +decode ms +infer ms +photos\/s/);
  expect(lines[1]).toMatch(/^onnxruntime( +\d+(\.\d)?){6}$/);
});

test('bench without a photo or an engine that loads is exit code 1', () => {
  expect(retagger('bench', '--photos', mkdtempSync(join(tmpdir(), 'none-'))).status).toBe(1);
});

test('tag leaves nothing in the home folder: no telemetry of an engine', () => {
  const home = mkdtempSync(join(tmpdir(), 'retagger-home-'));
  // Without CI in the environment: there telemetry would be off by itself.
  const env = { PATH: process.env.PATH, HOME: home };
  const photo = 'test/fixtures/rooms/hall.jpg';
  const { status } = spawnSync(process.execPath, ['dist/cli.js', 'tag', photo], { env });
  expect(status).toBe(0);
  expect(readdirSync(home)).toEqual([]);
});

test('run --check: in order is exit code 0; a wrong key or model is 2 and named', () => {
  const good = retagger('run', '--check');
  expect(good).toMatchObject({ status: 0, stdout: expect.stringContaining('in order') });
  const key = retagger('run', '--check', '--ingest-after', 'burn');
  expect(key).toMatchObject({ status: 2, stderr: expect.stringContaining('move, keep, delete') });
  const model = retagger('run', '--check', '--model-dir', '/nowhere');
  expect(model).toMatchObject({ status: 2, stderr: expect.stringContaining('model.dir') });
});
