import { cp, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type RequestListener } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { broker } from '../../src/doctor/broker.ts';
import { clockFinding } from '../../src/doctor/clock.ts';
import { disk } from '../../src/doctor/disk.ts';
import { examine } from '../../src/doctor/doctor.ts';
import { folders } from '../../src/doctor/folders.ts';
import { cgroupLimit, memory } from '../../src/doctor/memory.ts';
import { model } from '../../src/doctor/model.ts';
import { nodeVersion, supported } from '../../src/doctor/node-version.ts';
import { port } from '../../src/doctor/port.ts';
import { lockFolder } from '../../src/files/folder-lock.ts';
import { temporaryDir } from '../temporary-dir.ts';

let dir: string;
beforeEach(async () => {
  dir = await temporaryDir();
});
const config = (env: Record<string, string> = {}) =>
  loadConfig({ env: { RETAGGER_DATA_DIR: dir, ...env } });

it('knows the supported Node versions, and this one', async () => {
  expect(['20.19.0', '22.1.0', '24.9.9'].every(supported)).toBe(true);
  expect(['18.20.0', '20.18.9', '25.0.0'].some(supported)).toBe(false);
  expect(await nodeVersion.run(config())).toMatchObject({ status: 'ok' });
});

it('accepts the bundled model and names a damaged file', async () => {
  expect(await model.run(config())).toMatchObject({ status: 'ok' });
  const broken = join(dir, 'model');
  await cp(config().model.dir, broken, { recursive: true });
  await writeFile(join(broken, 'model.int8.onnx'), 'x');
  const finding = await model.run(config({ RETAGGER_MODEL_DIR: broken }));
  expect(finding).toMatchObject({ status: 'fail' });
  expect(finding.detail).toContain('model.int8.onnx');
});

it('takes folders that are not there yet, and refuses a file in their place', async () => {
  const inside = { RETAGGER_DATA_DIR: join(dir, 'a/b') };
  expect(await folders.run(config(inside))).toMatchObject({ status: 'ok' });
  await writeFile(join(dir, 'a'), '');
  for await (const finding of examine(config(inside), [folders])) {
    expect(finding).toMatchObject({ check: 'folders', status: 'fail' });
  }
  expect.assertions(2);
});

it('looks at the watch folder where one is watched', async () => {
  const file = join(dir, 'file');
  await writeFile(file, '');
  const there = { RETAGGER_INGEST_DIR: file };
  expect(await folders.run(config(there))).toMatchObject({ status: 'fail' });
  const unwatched = { ...there, RETAGGER_INGEST_WATCH: 'false' };
  expect(await folders.run(config(unwatched))).toMatchObject({ status: 'ok' });
  // What nobody watches may lie among our own.
  const inside = { ...unwatched, RETAGGER_INGEST_DIR: join(dir, 'tagged/hall') };
  expect(await folders.run(config(inside))).toMatchObject({ status: 'ok' });
});

it('looks at our own folders too, and at a watch folder that would hold them', async () => {
  // Not even root may enter what is no folder and not executable.
  await writeFile(join(dir, 'spool'), '', { mode: 0o644 });
  const finding = await folders.run(config());
  expect(finding).toMatchObject({ status: 'fail', detail: expect.stringContaining('spool') });
  await rm(join(dir, 'spool'));
  await mkdir(join(dir, 'spool'));
  expect(await folders.run(config())).toMatchObject({ status: 'ok' });
  await mkdir(join(dir, 'tagged'));
  await symlink(join(dir, 'tagged'), join(dir, 'link'));
  await symlink(dir, join(dir, 'self'));
  for (const name of ['tagged', 'cache', 'mqtt/deep', 'link', 'self', 'self/spool/x', '.']) {
    const inside = { RETAGGER_INGEST_DIR: join(dir, name) };
    expect(await folders.run(config(inside)), name).toMatchObject({ status: 'fail' });
  }
});

it('fails where less disk is free than the limit', async () => {
  const much = { RETAGGER_LIMITS_DISK_FREE_BYTES: String(Number.MAX_SAFE_INTEGER) };
  expect(await disk.run(config(much))).toMatchObject({ status: 'fail' });
  expect(await disk.run(config({ RETAGGER_LIMITS_DISK_FREE_BYTES: '0' }))).toMatchObject({
    status: 'ok',
  });
});

it('reads the smallest memory limit up the cgroup tree', async () => {
  await mkdir(join(dir, 'a/b'), { recursive: true });
  await writeFile(join(dir, 'self'), '0::/a/b\n');
  await writeFile(join(dir, 'a/b/memory.max'), 'max\n');
  expect(await cgroupLimit(dir, join(dir, 'self'))).toBe(Number.POSITIVE_INFINITY);
  await writeFile(join(dir, 'a/memory.max'), '1000\n');
  expect(await cgroupLimit(dir, join(dir, 'self'))).toBe(1000);
  await writeFile(join(dir, 'a/b/memory.max'), '900\n');
  expect(await cgroupLimit(dir, join(dir, 'self'))).toBe(900);
  await writeFile(join(dir, 'memory.max'), '800\n');
  expect(await cgroupLimit(dir, join(dir, 'self'))).toBe(800);
});

it('compares limits.memory_bytes with the least that anybody allows this process', async () => {
  const allowed = vi.spyOn(process, 'constrainedMemory');
  onTestFinished(() => allowed.mockRestore());
  const MiB = 2 ** 20;
  const wanted = config({ RETAGGER_LIMITS_MEMORY_BYTES: String(200 * MiB) });
  allowed.mockReturnValue(100 * MiB);
  expect(await memory.run(wanted)).toMatchObject({
    status: 'fail',
    detail: '100 MiB for this service; limits.memory_bytes is 200 MiB',
  });
  // Node's word for "no limit".
  allowed.mockReturnValue(0);
  expect((await memory.run(wanted)).detail).not.toMatch(/^0 MiB/);
});

it('warns of a clock before the program was installed', async () => {
  const file = join(dir, 'installed');
  await writeFile(file, '');
  await utimes(file, 2_000_000_000, 2_000_000_000);
  expect(await clockFinding(0, file)).toMatchObject({ status: 'warn' });
  expect(await clockFinding(2_000_000_000_000, file)).toMatchObject({ status: 'ok' });
  // A time zone's difference is no fault.
  const hours = 12 * 3600 * 1000;
  expect(await clockFinding(2_000_000_000_000 - hours, file)).toMatchObject({ status: 'ok' });
});

it('looks at the clock also where it is installed below a name with spaces', async () => {
  const there = join(dir, 'my programs', 'doctor');
  await cp('dist/doctor', there, { recursive: true });
  const { clock } = await import(pathToFileURL(join(there, 'clock.js')).href);
  expect(await clock.run()).toMatchObject({ status: 'ok' });
});

async function web(host: string, answer: RequestListener) {
  const server = createHttp(answer);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const close = () => {
    const closed = new Promise<unknown>((resolve) => server.close(resolve));
    server.closeAllConnections();
    return closed;
  };
  onTestFinished(async () => void (await close()));
  const { port: number } = server.address() as AddressInfo;
  const env = { RETAGGER_HTTP_PORT: String(number), RETAGGER_HTTP_HOST: host };
  return { close, taken: config({ ...env, RETAGGER_HTTP_TOKEN: 'x'.repeat(16) }) };
}
const READY = { model: { ok: true }, engine: { ok: true }, queue: { ok: true } };
const OURS = JSON.stringify({ checks: READY });
/** As a daemon does it with `data.dir`. */
const lock = async () => onTestFinished(await lockFolder(dir, 'held'));

it('tells a free port, our own daemon and a stranger apart', async () => {
  let body = OURS;
  await lock();
  const { taken, close } = await web('127.0.0.1', (_request, response) => response.end(body));
  expect((await port.run(taken)).detail).toContain('running retagger');
  for (body of ['hello', '{"model":{}}', '{"checks":{"model":{}}}', 'null']) {
    expect(await port.run(taken)).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('in use by another program'),
    });
  }
  await close();
  expect((await port.run(taken)).detail).toContain('is free');
  // Nor is it held by having been looked at.
  expect((await port.run(taken)).detail).toContain('is free');
});

it('names what is not well with our running daemon', async () => {
  const broker = { ok: false, detail: 'mqtt://h\u001b[2J refused a result' };
  let checks: object = { ...READY, broker, disk: { ok: false } };
  const { taken } = await web('127.0.0.1', ({ headers }, response) => {
    expect(headers.authorization).toBeUndefined();
    response.writeHead(503).end(JSON.stringify({ ready: false, checks }));
  });
  await lock();
  const finding = await port.run(taken);
  expect(finding.status).toBe('warn');
  expect(finding.detail).toMatch(/not ready: broker: mqtt:\/\/h \[2J refused a result; disk$/);
  // The answer to a caller without the token has no details.
  expect(finding.advice).toMatch(/\/readyz says why to who sends http\.token/);
  const { token: _, ...open } = taken.http;
  expect((await port.run({ ...taken, http: open })).advice).toContain('log');
  checks = { ...READY, broker: { ok: true } };
  expect(await port.run(taken)).toMatchObject({ status: 'ok' });
});

it('tells our daemon from one with another data.dir', async () => {
  const { taken } = await web('127.0.0.1', (_request, response) => response.end(OURS));
  const other = {
    status: 'fail',
    detail: expect.stringContaining('held by another retagger (with another data.dir)'),
    advice: 'Set http.port.',
  };
  expect(await port.run(taken)).toMatchObject(other);
  await lock();
  expect(await port.run(taken)).toMatchObject({ status: 'ok' });
  const later = { ...taken, data: { dir: join(dir, 'later') } };
  expect(await port.run(later)).toMatchObject(other);
});

it('waits for no stranger who takes the connection and never answers', async () => {
  const { timeout } = AbortSignal;
  const patience = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms / 20));
  onTestFinished(() => patience.mockRestore());
  const { taken } = await web('127.0.0.1', () => {});
  expect(await port.run(taken)).toMatchObject({ status: 'fail' });
});

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
it.each([
  ['0.0.0.0', /^127\.0\.0\.1:/],
  ...(hasIpv6
    ? ([
        ['::', /^\[::1\]:/],
        ['::1', /^\[::1\]:/],
      ] as const)
    : []),
] as const)('asks a daemon at %s by a name that it answers to', async (host, name) => {
  await lock();
  const { taken } = await web(host, ({ headers }, response) =>
    response.end(name.test(headers.host ?? '') ? OURS : 'host_forbidden'),
  );
  expect((await port.run(taken)).detail).toContain('running retagger');
});

it('fails for a broker that cannot be reached, without the password', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port: number } = silent.address() as AddressInfo;
  await new Promise((resolve) => silent.close(resolve));
  const finding = await broker.run(
    config({ RETAGGER_MQTT_URL: `mqtt://me:hush@127.0.0.1:${number}` }),
  );
  expect(finding).toMatchObject({ status: 'fail' });
  expect(JSON.stringify(finding)).not.toContain('hush');
});

it('turns a check that throws into a finding and goes on', async () => {
  const throws = {
    name: 'x',
    run: async () => Promise.reject(new Error('boom')),
  };
  const found: string[] = [];
  for await (const finding of examine(config(), [throws, folders])) found.push(finding.status);
  expect(found).toEqual(['fail', 'ok']);
});
