import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Aedes } from 'aedes';
import { beforeEach, describe, expect, it, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { adviceFor, broker } from '../../src/doctor/broker.ts';
import { diskFinding } from '../../src/doctor/disk.ts';
import { engine, engineFinding } from '../../src/doctor/engine.ts';
import { fileSystem } from '../../src/doctor/file-system.ts';
import { refused } from '../../src/doctor/folders.ts';
import { inotifyFinding } from '../../src/doctor/inotify.ts';
import { jpeg, jpegFinding } from '../../src/doctor/jpeg.ts';
import { memoryFinding } from '../../src/doctor/memory.ts';
import { port } from '../../src/doctor/port.ts';
import type { EngineName } from '../../src/inference/engine.ts';
import { NOT_INSTALLED } from '../../src/inference/engines/openvino-path.ts';
import { hurryTimers, refuseToListen } from '../daemon/support.ts';
import { writeTinyBundle } from '../inference/tiny-bundle.ts';
import { temporaryDir } from '../temporary-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await temporaryDir();
});
const config = (env: Record<string, string> = {}) =>
  loadConfig({ env: { RETAGGER_DATA_DIR: dir, ...env } });

const MiB = 2 ** 20;
/** As `openvino.ts` says it where nothing is set up. */
const OPENVINO_FAULT = `engine openvino does not load: ${NOT_INSTALLED}`;
/** Nothing faster to be had. */
const PLAIN = { library: null, features: '' };
const anything = { status: expect.any(String), detail: expect.any(String) };

describe('engine', () => {
  const faults = (loads: readonly EngineName[]) =>
    new Map(
      (['onnxruntime', 'openvino', 'tfjs-node', 'wasm'] as const).map((name) => [
        name,
        loads.includes(name) ? null : name === 'openvino' ? OPENVINO_FAULT : 'signal SIGSEGV',
      ]),
    );

  it.each([
    ['auto', ['onnxruntime', 'wasm'], 'ok', undefined],
    ['auto', ['wasm'], 'warn', /glibc 2\.28.*wasm works, but slowly/],
    ['auto', [], 'fail', /glibc 2\.28.*model/],
    ['wasm', ['wasm'], 'ok', undefined],
    ['tfjs-node', ['onnxruntime', 'wasm'], 'fail', /Set engine to auto or onnxruntime/],
    ['onnxruntime', [], 'fail', /Set engine to auto\.$/],
    ['openvino', ['onnxruntime'], 'fail', /Set engine to auto or onnxruntime/],
  ] as const)('%s where %j load: %s', (wanted, loads, status, advice) => {
    const finding = engineFinding(wanted, faults(loads), PLAIN);
    expect(finding.status).toBe(status);
    if (advice) expect(finding.advice).toMatch(advice);
    else expect(finding.advice).toBeUndefined();
  });

  it('names the reason of each, but no fault of an engine that nobody asked for', () => {
    const { detail } = engineFinding('auto', faults(['wasm']), PLAIN);
    expect(detail).toBe(
      'onnxruntime: signal SIGSEGV; openvino: not installed; tfjs-node: not installed; wasm: loads',
    );
  });

  it('says which one auto takes, and where a faster one could be had', () => {
    const detail = (library: string | null, features: string) =>
      engineFinding('auto', faults(library ? ['onnxruntime', 'openvino'] : ['onnxruntime']), {
        library,
        features,
      }).detail;
    expect(detail(null, 'avx2')).toMatch(/; auto takes onnxruntime$/);
    expect(detail('libopenvino_c.so', 'avx2')).toMatch(/; auto takes onnxruntime$/);
    expect(detail('libopenvino_c.so', 'amx_int8')).toMatch(/; auto takes openvino$/);
    expect(detail(null, 'amx_int8')).toMatch(/; auto takes onnxruntime; .*AMX: openvino/);
  });

  it('is tried for real', async () => {
    const model = await writeTinyBundle();
    onTestFinished(() => model.remove());
    const finding = await engine.run(config({ RETAGGER_MODEL_DIR: model.dir }));
    expect(finding.status).toBe('ok');
    expect(finding.detail).toMatch(
      /^onnxruntime: loads; .*; wasm: loads; auto takes (onnxruntime|openvino)/,
    );
    await rm(join(model.dir, 'int8.onnx'));
    expect(await engine.run(config({ RETAGGER_MODEL_DIR: model.dir }))).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('int8.onnx'),
    });
    await rm(join(model.dir, 'model.json'));
    expect(await engine.run(config({ RETAGGER_MODEL_DIR: model.dir }))).toEqual({
      status: 'fail',
      detail: 'not tried without a model',
      advice: 'Mend the model first.',
    });
  });
});

describe('jpeg', () => {
  it('names the library that decodes, and the package where there is none', async () => {
    expect(jpegFinding(null, false)).toEqual({
      status: 'ok',
      detail: expect.stringContaining('libturbojpeg0'),
    });
    expect(jpegFinding('/usr/lib/x.so', true)).toEqual({
      status: 'ok',
      detail: 'by libjpeg-turbo, /usr/lib/x.so',
    });
    expect(await jpeg.run(config())).toMatchObject({ status: 'ok' });
  });

  it('warns of one that does not load', () => {
    expect(jpegFinding('/usr/lib/x.so', false)).toMatchObject({
      status: 'warn',
      advice: expect.stringContaining('libjpeg-turbo'),
    });
  });
});

describe('folders', () => {
  it('without the right to write: says how to give it', () => {
    expect(refused('/srv/photos', 'EACCES')).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('chgrp retagger "/srv/photos"'),
    });
  });

  it('on a file system that is read-only: says where to name it', () => {
    const { detail, advice } = refused('/srv/photos', 'EROFS');
    expect(detail).toBe('/srv/photos: the file system is read-only');
    expect(advice).toContain('ReadWritePaths=');
  });
});

// Root may do anything, so another user asks.
describe.skipIf(process.geteuid?.() !== 0)('folders that only their owner may write to', () => {
  const NOBODY = 65_534;
  const built = (name: string) => JSON.stringify(new URL(`../../dist/${name}.js`, import.meta.url));

  async function asNobody(mode: number, env: Record<string, string>): Promise<string> {
    const ingest = join(dir, 'photos');
    await mkdir(ingest);
    await chmod(ingest, mode);
    await chmod(dir, 0o777);
    const all = { RETAGGER_DATA_DIR: join(dir, 'data'), RETAGGER_INGEST_DIR: ingest, ...env };
    const program = `const { folders } = await import(${built('doctor/folders')});
      const { disk } = await import(${built('doctor/disk')});
      const { fileSystem } = await import(${built('doctor/file-system')});
      const { loadConfig } = await import(${built('config/load')});
      const config = loadConfig({ env: ${JSON.stringify(all)} });
      // These say nothing of rights, and do not stumble over them.
      for (const other of [disk, fileSystem]) await other.run(config);
      const { status, detail, advice } = await folders.run(config);
      process.stdout.write(status + ' ' + detail + (advice ? ' → ' + advice : ''));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      { uid: NOBODY, gid: NOBODY, cwd: '/' },
    );
    return stdout;
  }

  it.each([
    [0o777, 'move', /^ok /],
    [0o755, 'move', /^fail .*photos: no right to read and write/],
    [0o755, 'keep', /^ok /],
    [0o733, 'keep', /^fail .*photos: no right/],
    [0o744, 'keep', /^fail .*photos: no right/],
  ] as const)('mode %o, after %s', async (mode, after, said) => {
    expect(await asNobody(mode, { RETAGGER_INGEST_AFTER: after })).toMatch(said);
  });

  it('a folder that is yet to be made there', async () => {
    const later = { RETAGGER_INGEST_DIR: join(dir, 'photos/later'), RETAGGER_INGEST_AFTER: 'keep' };
    expect(await asNobody(0o755, later)).toMatch(/^fail .*photos: no right/);
  });

  it.each([
    ['ingest.dir', 'RETAGGER_INGEST_DIR'],
    ['data.dir', 'RETAGGER_DATA_DIR'],
  ])('%s below a folder that may not be entered', async (key, name) => {
    const [shut, deep] = [join(dir, 'photos'), join(dir, 'photos/some/deep')];
    const said = `fail ${shut}: no right to enter it, and ${key} "${deep}" lies there → Set ${key} to `;
    const found = await asNobody(0o700, { RETAGGER_INGEST_DIR: '/', [name]: deep });
    expect(found.startsWith(said), found).toBe(true);
    expect(found).toContain(`(uid ${NOBODY}) enter it, for example: chmod o+x "${shut}"`);
  });

  it('a link into a folder that may not be entered', async () => {
    const link = join(dir, 'link');
    await symlink('photos/here', link);
    const found = await asNobody(0o700, { RETAGGER_INGEST_DIR: link });
    expect(found).toMatch(
      /^fail .*photos: no right to enter it, and ingest\.dir ".*link" lies there/,
    );
  });

  it('one label alone, left by a daemon that another user ran', async () => {
    const hall = join(dir, 'data/tagged/hall');
    await mkdir(hall, { recursive: true });
    for (const folder of [join(hall, '../..'), join(hall, '..')]) await chmod(folder, 0o777);
    expect(await asNobody(0o777, {})).toMatch(/^fail .*data\/tagged\/hall: no right to read/);
  });

  it('a data folder, though photos are kept', async () => {
    const data = { RETAGGER_DATA_DIR: join(dir, 'photos'), RETAGGER_INGEST_AFTER: 'keep' };
    const elsewhere = { ...data, RETAGGER_INGEST_DIR: '/' };
    expect(await asNobody(0o755, elsewhere)).toMatch(/^fail .*photos: no right/);
  });
});

test('two file systems: warns, where photos are moved', async () => {
  // Never on the disk that the temporary folder is on.
  const apart = { RETAGGER_INGEST_DIR: '/proc/photos' };
  const finding = await fileSystem.run(config(apart));
  expect(finding).toMatchObject({ status: 'warn', advice: expect.stringContaining('one disk') });
  const kept = { ...apart, RETAGGER_INGEST_AFTER: 'keep' };
  expect(await fileSystem.run(config(kept))).toMatchObject({ status: 'ok' });
  const unwatched = { ...apart, RETAGGER_INGEST_WATCH: 'false' };
  expect(await fileSystem.run(config(unwatched))).toMatchObject({ status: 'ok' });
  expect(await fileSystem.run(config())).toMatchObject({ status: 'ok' });
});

test.each([
  ['ok', { bavail: 4000, files: 9000, ffree: 5000 }],
  ['ok', { bavail: 4000, files: 0, ffree: 0 }],
  ['warn', { bavail: 3999, files: 9000, ffree: 5000 }],
  ['warn', { bavail: 1000, files: 9000, ffree: 1000 }],
  ['warn', { bavail: 1500, files: 9000, ffree: 5000 }],
  ['fail', { bavail: 900, files: 9000, ffree: 5000 }],
  ['fail', { bavail: 4000, files: 9000, ffree: 999 }],
] as const)('disk: %s for %j', (status, numbers) => {
  const finding = diskFinding({ bsize: MiB, ...numbers }, '/data', 1000 * MiB);
  expect(finding.status).toBe(status);
  if (status !== 'ok') expect(finding.advice).toContain('/data/tagged');
});

test.each([
  [1024, 'ok', undefined],
  [512, 'ok', undefined],
  [192, 'warn', /limits\.memory_bytes below MemoryMax=/],
  [400, 'warn', /limits\.memory_bytes below MemoryMax=/],
  [100, 'fail', /at least 192 MiB/],
] as const)('memory: %d MiB for a service of 512 MiB is %s', (limit, status, advice) => {
  const finding = memoryFinding(limit * MiB, 512 * MiB);
  expect(finding).toMatchObject({ status, detail: expect.stringContaining(`${limit} MiB`) });
  if (advice) expect(finding.advice).toMatch(advice);
});

test('inotify: warns of low limits with the command that raises them', async () => {
  const watch = { watch: true, rescan_s: 60 };
  await mkdir(dir, { recursive: true });
  const write = (watches: number, instances: number) =>
    Promise.all([
      writeFile(join(dir, 'max_user_watches'), `${watches}\n`),
      writeFile(join(dir, 'max_user_instances'), `${instances}\n`),
    ]);
  await write(8192, 128);
  expect(await inotifyFinding(watch, dir)).toMatchObject({ status: 'ok' });
  await write(100, 128);
  expect(await inotifyFinding(watch, dir)).toMatchObject({
    status: 'warn',
    advice: expect.stringContaining('sysctl -w fs.inotify.max_user_watches=8192'),
  });
  await write(8192, 10);
  expect(await inotifyFinding(watch, dir)).toMatchObject({
    status: 'warn',
    advice: expect.stringContaining('sysctl -w fs.inotify.max_user_instances='),
  });
  expect(await inotifyFinding({ watch: false, rescan_s: 60 }, dir)).toMatchObject({ status: 'ok' });
  expect(await inotifyFinding(watch, join(dir, 'none'))).toMatchObject({ status: 'ok' });
});

test('port: an address that is not of this box, and a door that is closed', async () => {
  const elsewhere = { RETAGGER_HTTP_HOST: '192.0.2.1', RETAGGER_HTTP_TOKEN: 'x'.repeat(16) };
  expect(await port.run(config(elsewhere))).toMatchObject({
    status: 'fail',
    detail: expect.stringContaining('EADDRNOTAVAIL'),
    advice: expect.stringContaining('http.host'),
  });
  expect(await port.run(config({ RETAGGER_HTTP_ENABLED: 'false' }))).toEqual({
    status: 'ok',
    detail: 'the HTTP door is closed by configuration',
  });
});

test('port: one without the right to it', async () => {
  refuseToListen();
  expect(await port.run(config({ RETAGGER_HTTP_PORT: '80' }))).toEqual({
    status: 'fail',
    detail: '127.0.0.1:80: EACCES',
    advice: 'Ports below 1024 need root or CAP_NET_BIND_SERVICE; set http.port to 1024 or more.',
  });
});

describe('broker', () => {
  async function listening(onConnection: Parameters<typeof createServer>[1]): Promise<number> {
    const server = createServer(onConnection ?? (() => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  it('lets us in, or does not: then it is about the password', async () => {
    const names: string[] = [];
    const aedes = await Aedes.createBroker({
      authenticate: ({ id }, _name, password, done) => {
        names.push(id);
        done(null, `${password}` === 'right');
      },
    });
    onTestFinished(() => new Promise<void>((resolve) => aedes.close(() => resolve())));
    const at = `127.0.0.1:${await listening(aedes.handle)}`;
    const url = (password: string) => ({ RETAGGER_MQTT_URL: `mqtt://me:${password}@${at}` });
    expect(await broker.run(config(url('right')))).toMatchObject({ status: 'ok' });
    // Under a name of its own, beside a running daemon, and gone again.
    expect(names).toEqual([`retagger-doctor-${process.pid}`]);
    await expect.poll(() => aedes.connectedClients).toBe(0);
    const finding = await broker.run(config(url('wrong-one')));
    expect(finding).toMatchObject({
      status: 'fail',
      advice: expect.stringContaining('mqtt.password'),
    });
    expect(JSON.stringify(finding)).not.toContain('wrong-one');
  });

  it('that knows only MQTT 5 is spoken to in it', async () => {
    const number = await listening((socket) => {
      socket.on('error', () => {});
      socket.once('data', (connect) => {
        const isOld = connect[connect.indexOf('MQTT') + 4] === 4;
        socket.write(Buffer.from(isOld ? [0x20, 2, 0, 1] : [0x20, 3, 0, 0, 0]));
      });
    });
    const finding = await broker.run(config({ RETAGGER_MQTT_URL: `mqtt://127.0.0.1:${number}` }));
    expect(finding).toMatchObject({ status: 'ok' });
  });

  it('that takes the connection and never answers is a failure, not a wait', async () => {
    hurryTimers();
    const number = await listening((socket) => void socket.on('error', () => {}));
    const finding = await broker.run(config({ RETAGGER_MQTT_URL: `mqtt://127.0.0.1:${number}` }));
    expect(finding).toMatchObject({ status: 'fail', advice: expect.stringContaining('mqtt.url') });
  });

  it('is none of the box: the embedded one will be started, or the door is closed', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port: number } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const embedded = await broker.run(config({ RETAGGER_MQTT_PORT: String(number) }));
    expect(embedded).toMatchObject({ ...anything, status: 'ok' });
    expect(embedded.detail).toContain('embedded');
    refuseToListen();
    expect(await broker.run(config({ RETAGGER_MQTT_PORT: String(number) }))).toEqual({
      status: 'fail',
      detail: `mqtt://127.0.0.1:${number}: the embedded broker cannot be started there`,
      advice: 'Ports below 1024 need root or CAP_NET_BIND_SERVICE; set mqtt.port to 1024 or more.',
    });
    const closed = await broker.run(config({ RETAGGER_MQTT_ENABLED: 'false' }));
    expect(closed).toEqual({ status: 'ok', detail: 'the MQTT door is closed by configuration' });
  });

  it.each([
    ['self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT', /mqtt\.ca/],
    ['certificate has expired', 'CERT_HAS_EXPIRED', /clock.*broker needs a new certificate/],
    ['certificate required', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /^Set mqtt\.cert and/],
    ['unknown ca', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /^Set mqtt\.cert and/],
    ['Connection refused: Bad username or password', 4, /mqtt\.password/],
    ['the name is another', 'ERR_TLS_CERT_ALTNAME_INVALID', /mqtt\.url a name.*certificate holds/],
    ["mqtt.ca: ENOENT, open '/etc/ssl/x'", 'ENOENT', /^Mend that file/],
    ['mqtt.cert: EACCES', 'EACCES', /^Mend that file/],
    ['mqtt.key: ENOENT', 'ENOENT', /^Mend that file/],
    ['mqtt.ca, mqtt.cert or mqtt.key: no start line', 'ERR_OSSL_PEM', /^Mend that file/],
    ['getaddrinfo EAI_AGAIN broker.example', 'EAI_AGAIN', /DNS/],
    ['getaddrinfo ENOTFOUND broker.example', 'ENOTFOUND', /DNS/],
    ['connect ECONNREFUSED', 'ECONNREFUSED', /mqtt\.url.*outbox/],
  ])('%s: says what to look at', (message, code, advice) => {
    expect(adviceFor(message, code)).toMatch(advice);
  });
});
