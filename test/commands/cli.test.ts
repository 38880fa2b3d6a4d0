import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeTinyBundle } from '../inference/tiny-bundle.ts';
import { modelLike } from './model-like.ts';

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
  ['a command that is a property of every object', ['toString']],
  ['an unknown option', ['tag', '--fast', 'a.jpg']],
  ['an option of another command', ['tag', '--http-port', '1', 'a.jpg']],
  ['a missing argument', ['tag']],
  ['a value out of range', ['run', '--http-port', '99999']],
  ['an open address without token', ['run', '--http-host', '0.0.0.0']],
  ['a token with an end of line', ['run', '--check', '--http-token', `${'x'.repeat(16)}\n`]],
  ['an output that is a folder', ['bench', '--json', '/']],
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
  expect(results.at(-1)).toEqual({
    ...{ id: expect.any(String), node: first.node, source: 'folder' },
    ...{ file: 'test/fixtures/refused/text.jpg', code: 'image_unsupported' },
    message: expect.any(String),
  });
  expect(first.node).toMatch(/./);
  expect(status).toBe(1);
});

test('tag: a photo on standard input, within the bound on a photo', () => {
  const temporary = mkdtempSync(join(tmpdir(), 'retagger-tmp-'));
  const photo = readFileSync('test/fixtures/rooms/hall.jpg');
  const tagged = (from: string) => {
    const command = `${from} | ${process.execPath} dist/cli.js tag --limits-upload-bytes 20000 -`;
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: temporary };
    return JSON.parse(spawnSync(command, { shell: true, encoding: 'utf8', env }).stdout);
  };
  const sha256 = createHash('sha256').update(photo).digest('hex');
  expect(tagged('cat test/fixtures/rooms/hall.jpg')).toMatchObject({ file: '-', sha256 });
  // It never ends.
  expect(tagged('yes')).toMatchObject({ file: '-', code: 'image_too_large' });
  expect(readdirSync(temporary)).toEqual([]);
});

test('tag --format table is for people', () => {
  const { status, stdout } = retagger('tag', '--format', 'table', 'test/fixtures/rooms/hall.jpg');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^\w+ +\d{2,3} % {2}test\/fixtures\/rooms\/hall\.jpg\n$/);
});

test('tag: no bar stands among the results on a terminal', () => {
  const command = `${process.execPath} dist/cli.js tag --format table test/fixtures/rooms/hall.jpg`;
  // Of util-linux: gives the command a terminal.
  const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  expect(stdout).toMatch(/^\w+ +\d+ % {2}test\/fixtures\/rooms\/hall\.jpg\r\n$/);
});

test('tag: of a photo the model is not sure of, the tag is open', () => {
  const photo = 'test/fixtures/rooms/hall.jpg';
  const unsure = modelLike({ threshold: 1 });
  const { status, lines } = retagger('tag', '--model-dir', unsure, photo);
  const { tag, score } = JSON.parse(lines[0] as string);
  expect([status, tag]).toEqual([0, null]);
  const table = retagger('tag', '--format', 'table', '--model-dir', unsure, photo);
  expect(table.stdout).toMatch(/^\? +\d+ % {2}\S+hall\.jpg\n$/);
  expect(table.stdout).toContain(` ${Math.round(score * 100)} %`);
});

test('tag: what only the daemon must not do is no fault here', () => {
  const env = { PATH: process.env.PATH, RETAGGER_HTTP_HOST: '0.0.0.0' };
  const args = ['dist/cli.js', 'tag', 'test/fixtures/rooms/hall.jpg'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('tag: Ctrl-C is exit code 130', async () => {
  const photos = Array.from({ length: 200 }, () => 'test/fixtures/rooms');
  const child = spawn(process.execPath, ['dist/cli.js', 'tag', ...photos], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
});

test('tag: a folder without a photo is exit code 1', () => {
  const { status, stdout, stderr } = retagger('tag', mkdtempSync(join(tmpdir(), 'none-')));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain('no photos');
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

test('bench measures the engine asked for with photos it draws itself, and leaves none of them', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'retagger-bench-json-')), 'figures.json');
  const dir = mkdtempSync(join(tmpdir(), 'retagger-tmp-'));
  const flags = ['--engine', 'onnxruntime', '--count', '3', '--rounds', '1', '--json', file];
  const { status, stdout } = spawnSync(process.execPath, ['dist/cli.js', 'bench', ...flags], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, TMPDIR: dir },
  });
  expect(status).toBe(0);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^engine +decode ms +infer ms +photos\/s/);
  expect(lines[1]).toMatch(/^onnxruntime( +\d+(\.\d)?){6}$/);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject([{ engine: 'onnxruntime' }]);
  expect(readdirSync(dir)).toEqual([]);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('nor when %s ends it, with the exit code of that', async (signal, code) => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-tmp-'));
  const args = ['dist/cli.js', 'bench', '--engine', 'wasm', '--rounds', '999'];
  const env = { PATH: process.env.PATH, TMPDIR: dir };
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  const files = () => readdirSync(dir, { recursive: true, encoding: 'utf8' });
  await expect.poll(() => files().filter((name) => name.endsWith('.jpg'))).toHaveLength(4);
  child.kill(signal);
  expect(await ended).toEqual([code, null]);
  expect(files()).toEqual([]);
});

test('bench without a photo or an engine that loads is exit code 1', () => {
  const none = mkdtempSync(join(tmpdir(), 'none-'));
  expect(retagger('bench', '--photos', none).status).toBe(1);
  const { status, stdout } = retagger('bench', '--engine', 'wasm', '--model-dir', none);
  expect(status).toBe(1);
  expect(stdout).toContain(none);
});

test('tag leaves nothing in the home folder: no telemetry of an engine', () => {
  const home = mkdtempSync(join(tmpdir(), 'retagger-home-'));
  // Without CI in the environment: there telemetry would be off by itself.
  const env = { PATH: process.env.PATH, HOME: home };
  const photo = 'test/fixtures/rooms/hall.jpg';
  const args = ['dist/cli.js', 'tag', '--engine', 'onnxruntime', photo];
  const { status } = spawnSync(process.execPath, args, { env });
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
  const damaged = modelLike({ damaged: 'model.int8.onnx' });
  const bytes = retagger('run', '--check', '--model-dir', damaged);
  expect(bytes).toMatchObject({ status: 2, stderr: expect.stringContaining('checksum') });
  const file = retagger('run', '--check', '--data-dir', 'package.json');
  expect(file).toMatchObject({ status: 2, stderr: expect.stringContaining('is not a folder') });
  const ca = retagger('run', '--check', '--mqtt-ca', '/nowhere.pem');
  expect(ca).toMatchObject({ status: 2, stderr: expect.stringContaining('mqtt.ca') });
  const unused = ['--mqtt-ca', '/nowhere.pem', '--mqtt-enabled', 'false'];
  expect(retagger('run', '--check', ...unused).status).toBe(0);
  const { stdout: help } = retagger('run', '--help');
  expect(help.replace(/\s+/g, ' ')).toContain('would start and every door would work');
});

test('doctor: a warning is exit code 0, a failure 1, and JSON says the same', async () => {
  const model = await writeTinyBundle();
  onTestFinished(model.remove);
  const doctor = (...args: string[]) => {
    const { status, stdout } = retagger('doctor', '--json', ...args);
    const { ok, findings } = JSON.parse(stdout);
    const by = (key: string) => findings.map((finding: Record<string, string>) => finding[key]);
    return { status, ok, checks: by('check'), statuses: new Set(by('status')) };
  };
  const dir = mkdtempSync(join(tmpdir(), 'retagger-doctor-'));
  const closed = [
    '--model-dir',
    model.dir,
    '--http-enabled',
    'false',
    '--mqtt-enabled',
    'false',
    '--data-dir',
    dir,
  ];
  const limits = ['--limits-memory-bytes', `${2 ** 53 - 1}`, '--limits-disk-free-bytes', '0'];
  expect(doctor(...closed, ...limits)).toEqual({
    ...{ status: 0, ok: true, statuses: new Set(['ok', 'warn']) },
    checks: [
      ...['node', 'model', 'engine', 'jpeg', 'folders', 'file-system', 'disk'],
      ...['memory', 'inotify', 'clock', 'port', 'broker'],
    ],
  });
  expect(doctor('--startup', '--data-dir', 'package.json')).toEqual({
    ...{ status: 1, ok: false, statuses: new Set(['ok', 'fail']) },
    checks: ['node', 'model', 'folders'],
  });
  const { status, lines } = retagger('doctor', '--startup', '--data-dir', 'package.json');
  expect(status).toBe(1);
  expect(lines.slice(-2)).toEqual([
    expect.stringMatching(/^FAIL {2}folders .*is not a folder$/),
    expect.stringMatching(/^ {18}→ /),
  ]);
});

test('run: a data folder that is a file is named, and what to do about it', () => {
  const { status, stdout } = retagger(
    'run',
    '--data-dir',
    'package.json',
    '--mqtt-enabled',
    'false',
  );
  expect(status).toBe(1);
  expect(stdout).toMatch(/cannot start: .*package\.json is not a folder → Move that file away/);
});

test.each([['--help'], ['doctor', '--startup'], ['tag', 'test/fixtures/rooms']])(
  'nobody reads what %s says: no stack trace',
  (...command) => {
    const program = `"${process.execPath}" dist/cli.js ${command.join(' ')}`;
    // `true` has ended before the first line is written.
    const closed = shell(`{ sleep 0.2; ${program}; echo "code $?" >&2; } | true`);
    expect(closed.stderr).toBe('code 0\n');
    const full = shell(`${program} >/dev/full`);
    expect(full.stderr).toMatch(/^retagger: the output cannot be written: .*ENOSPC.*\n$/);
    expect(full.status).toBe(1);
  },
);

test.each([
  ['evaluate', '--data'],
  ['bench', '--engine onnxruntime --count 1 --rounds 1 --photos'],
])('%s: where nobody reads the table, the file that was asked for is whole', (command, flags) => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-unread-'));
  const data = join(dir, 'photos');
  mkdirSync(join(data, 'hall'), { recursive: true });
  copyFileSync('test/fixtures/rooms/hall.jpg', join(data, 'hall/a.jpg'));
  const json = join(dir, 'figures.json');
  const program = `"${process.execPath}" dist/cli.js ${command} ${flags} ${data} --json ${json}`;
  shell(`{ sleep 0.2; ${program}; } | true`);
  expect(readFileSync(json, 'utf8')).toMatch(/\n$/);
});

test('nobody reads the messages: the command goes on, to its own exit code', () => {
  const program = `"${process.execPath}" dist/cli.js evaluate --data /nowhere`;
  const { stderr } = shell(`exec 3>&2; { sleep 0.2; ${program}; echo "code $?" >&3; } 2>&1 | true`);
  expect(stderr).toBe('code 2\n');
});

function shell(script: string) {
  const env = { PATH: process.env.PATH };
  return spawnSync('sh', ['-c', script], { encoding: 'utf8', env });
}

test('tag: what cannot be read ends no other photo, and no name breaks a line', () => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-odd-'));
  copyFileSync('test/fixtures/rooms/hall.jpg', join(dir, 'a\u001b[31m\nb.jpg'));
  // What lies beside photos is none.
  for (const name of ['a.jpg.json', 'a.XMP', '.hidden.jpg']) writeFileSync(join(dir, name), '');
  // What root may not read either: a link to itself.
  symlinkSync(join(dir, 'loop'), join(dir, 'loop'));
  const { status, stdout } = retagger('tag', '--format', 'table', dir, join(dir, 'loop'));
  expect(status).toBe(1);
  expect(stdout.split('\n')).toHaveLength(3);
  expect(stdout).toContain('a\ufffd[31m\ufffdb.jpg');
  expect(stdout).toMatch(/^– +– {2}\S+loop {2}\(\w+\)$/m);
});

test('bench: a photo that cannot be read is named, and no engine blamed', () => {
  const photos = retagger('bench', '--photos', 'test/fixtures/refused', '--count', '1');
  expect(photos).toMatchObject({ status: 1, stdout: '' });
  expect(photos.stderr).toMatch(/^retagger: test\/fixtures\/refused\/\S+: .+\n$/);
});

test.each([
  ['evaluate', '--data', 'test/fixtures/rooms', '--plot', '/nowhere/x.png'],
  ['bench', '--json', '/nowhere/x.json'],
])('%s: a file that cannot be written is named at the start', (...command) => {
  const { status, stderr } = retagger(...command);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^retagger: --(plot|json): .*\/nowhere/);
});

test('train: photos and model are no folders of each other', () => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-apart-'));
  for (const out of [dir, join(dir, 'model'), join(dir, '..')]) {
    const { status, stderr } = retagger('train', '--data', dir, '--out', out);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('must not hold or lie in --data'),
    });
  }
});

test('train: features do not lie among the photos, whose faults they would be at --resume', () => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-features-'));
  const train = (cache: string) =>
    retagger('train', '--data', join(dir, 'photos'), '--out', join(dir, 'out'), '--cache', cache);
  for (const cache of [join(dir, 'photos'), join(dir, 'photos/features')]) {
    const { status, stderr } = train(cache);
    const said = expect.stringContaining('must not lie in --data');
    expect({ status, stderr }).toEqual({ status: 2, stderr: said });
  }
  expect(train(dir).stderr).toContain('cannot be read');
});

test('train: base weights do not lie where they would be replaced', () => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-base-'));
  const out = join(dir, 'model');
  for (const base of [out, join(out, 'weights.f16.safetensors')]) {
    const more = ['--out', out, '--base', base, '--overwrite'];
    const { status, stderr } = retagger('train', '--data', join(dir, 'photos'), ...more);
    const said = expect.stringContaining('would be replaced');
    expect({ status, stderr }).toEqual({ status: 2, stderr: said });
  }
});

test('train: neither a model nor a run that was stopped is overwritten unasked', () => {
  const out = mkdtempSync(join(tmpdir(), 'retagger-out-'));
  const train = (...more: string[]) =>
    retagger('train', '--data', '/nowhere', '--out', out, ...more);
  const write = (name: string, text = '{}') => writeFileSync(join(out, name), text);
  const said = (text: string) => ({ status: 2, stderr: expect.stringContaining(text) });
  const finished = said('holds a finished model; --overwrite');
  const stopped = said('holds a run that was stopped (--resume); --overwrite');
  expect(train().stderr).toContain('/nowhere');
  write('model.json');
  expect(train()).toMatchObject(finished);
  mkdirSync(join(out, '.training'));
  write('.training/head.json');
  write('.training/run.json', '{"finished":true}');
  expect(train()).toMatchObject(finished);
  // A run that was to replace the model.
  write('.training/run.json', '{"finished":false}');
  expect(train()).toMatchObject(stopped);
  write('.training/run.json', '{"finished":true}');
  write('.training/checkpoint.json');
  expect(train()).toMatchObject(stopped);
  expect(train('--overwrite').stderr).toContain('/nowhere');
});
