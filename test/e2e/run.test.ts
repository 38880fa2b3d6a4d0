import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Failure, Result } from '../../src/result.ts';
import { broker, eventually, home, jpeg, Run, temporaryDir } from './harness.ts';
import { childrenOf } from './victims.ts';

test('photos dropped come out tagged: on the embedded broker, in sidecars, one result each', async () => {
  // A cut photo is looked at for fifty settle times: its writer may go on.
  const box = await home(['--ingest-settle-ms', '20']);
  await mkdir(join(box.ingest, 'flat 1'), { recursive: true });
  for (let n = 0; n < 6; n++) await box.drop(`flat 1/${n}.jpg`, await jpeg(n));
  const program = box.run();
  await program.ready();
  const client = await connectAsync(box.broker);
  onTestFinished(() => client.endAsync(true));
  const results: Result[] = [];
  const failures: Failure[] = [];
  client.on('message', (topic, payload) => {
    if (topic === 'retagger/box/result') results.push(JSON.parse(payload.toString()));
    if (topic === 'retagger/box/error') failures.push(JSON.parse(payload.toString()));
  });
  await client.subscribeAsync('retagger/box/+', { qos: 1 });
  for (let n = 6; n < 12; n++) await box.drop(`${n}.jpg`, await jpeg(n));
  const text = Buffer.from('this is no photo');
  await box.drop('text.jpg', text);
  await box.drop('cut.jpg', (await jpeg(99)).subarray(0, 400));
  const filed = async () => [...(await box.tree('tagged')), ...(await box.tree('failed'))];
  // A sidecar appears whole, by a link to its draft, which is gone a moment later.
  const draft = /(^|\/)\.[^/]*\.tmp$/;
  await eventually(async () => {
    const names = await filed();
    return names.length === 28 && !names.some((name) => draft.test(name)) && failures.length === 2;
  });

  // The first six may have been tagged before anybody listened.
  const files = results.map(({ file }) => file);
  expect(files).toEqual(
    expect.arrayContaining(['6.jpg', '7.jpg', '8.jpg', '9.jpg', '10.jpg', '11.jpg']),
  );
  expect(new Set(files).size).toBe(files.length);
  expect(failures.map(({ file, code }) => [file, code]).sort()).toEqual([
    ['cut.jpg', 'image_corrupt'],
    ['text.jpg', 'image_unsupported'],
  ]);
  expect(await box.tree('failed')).toEqual([
    'cut.jpg',
    'cut.jpg.error.json',
    'text.jpg',
    'text.jpg.error.json',
  ]);
  expect(await box.tree('ingest')).toEqual([]);
  for (const path of (await box.tree('tagged')).filter((name) => name.endsWith('.json'))) {
    const sidecar = JSON.parse(await readFile(join(box.dir, 'tagged', path), 'utf8')) as Result;
    expect(path.split('/')[0]).toBe(sidecar.tag ?? '_abstained');
    expect(Object.values(sidecar.scores).reduce((sum, score) => sum + score)).toBeCloseTo(1, 5);
    expect(sidecar).toMatchObject({ node: 'box', source: 'folder', width: 160, height: 120 });
  }

  const ready = await fetch(`${box.url}/readyz`);
  expect(ready.status).toBe(200);
  const form = new FormData();
  form.set('image', new Blob([await jpeg(50)]), 'x.jpg');
  const scores = await fetch(`${box.url}/re-tagger`, { method: 'POST', body: form });
  expect(scores.status).toBe(200);
  expect(Object.keys((await scores.json()) as object)).toHaveLength(6);

  expect(await program.terminate(), program.output).toBe(0);
  expect(program.logs.at(-1)).toMatchObject({ msg: 'stopped' });
  // No warning of Node's either.
  expect(program.stderr).toBe('');
  expect(await box.tree('spool')).toEqual([]);
});

test('with data.keep_days what was filed before goes, at the start of a daemon that nobody clears', async () => {
  const box = await home(['--data-keep-days', '30']);
  await mkdir(join(box.dir, 'tagged', 'hall'), { recursive: true });
  await writeFile(join(box.dir, 'tagged', 'hall', 'old.jpg'), 'photo');
  const today = box.run();
  await today.ready();
  await box.drop('new.jpg', await jpeg(1));
  await eventually(async () => (await box.tree('tagged')).length === 3);
  expect(await today.terminate(), today.output).toBe(0);

  const later = 'const n=Date.now;Date.now=()=>n()+31*864e5';
  const inAMonth = box.run([
    'env',
    `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(later)}`,
  ]);
  await inAMonth.ready();
  await eventually(async () => (await box.tree('tagged')).length === 0);
  expect(await inAMonth.terminate(), inAMonth.output).toBe(0);
  expect(inAMonth.logs).toContainEqual(
    expect.objectContaining({ msg: 'old photos deleted', files: 3, days: 30 }),
  );
});

/** The worker does nothing from now on. */
async function freeze(program: Run): Promise<void> {
  // Between fork and exec its parent waits for it, and would for ever.
  const workers = () =>
    childrenOf(program.pid).filter((pid) =>
      /worker/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')),
    );
  await eventually(() => workers().length > 0 || program.ended);
  for (const pid of workers()) {
    process.kill(pid, 'SIGSTOP');
    // Without its daemon it would end by itself, if it could.
    onTestFinished(() => void spawnSync('kill', ['-CONT', String(pid)]));
  }
}

describe('a restart', () => {
  test('in the middle of a backlog loses no photo and tags none twice', async () => {
    const watch = await broker();
    const box = await home(['--mqtt-url', watch.url]);
    await mkdir(box.ingest, { recursive: true });
    const count = 30;
    for (let n = 0; n < count; n++) await box.drop(`${n}.jpg`, await jpeg(n));
    const first = box.run();
    await eventually(() => watch.results.length >= 3 || first.ended);
    expect(first.ended, first.output).toBe(false);
    expect(await first.terminate()).toBe(0);
    expect(watch.results.length).toBeLessThan(count);
    // "online" comes again when the model is known.
    expect([...new Set(watch.states)]).toEqual(['online', 'offline']);
    expect(watch.states.at(-1)).toBe('offline');

    const second = box.run();
    await second.ready();
    await eventually(() => new Set(watch.results.map(({ file }) => file)).size === count);
    await eventually(async () => (await box.tree('spool')).length === 0);
    expect(await second.terminate()).toBe(0);
    expect(watch.results.map(({ id }) => id).sort()).toEqual(
      [...new Set(watch.results.map(({ id }) => id))].sort(),
    );
    expect(watch.results).toHaveLength(count);
    expect(await box.tree('tagged')).toHaveLength(2 * count);
  });

  test('that no longer keeps photos in the folder tags none twice and misses none', async () => {
    const watch = await broker();
    const box = await home(['--mqtt-url', watch.url]);
    await mkdir(box.ingest, { recursive: true });
    const count = 20;
    for (let n = 0; n < count; n++) await box.drop(`${n}.jpg`, await jpeg(n));
    const first = box.run(['env', 'RETAGGER_INGEST_AFTER=keep']);
    await freeze(first);
    await eventually(async () => (await box.tree('spool')).length === count || first.ended);
    await first.kill();

    const second = box.run();
    await second.ready();
    await eventually(async () => (await box.tree('ingest')).length === 0);
    await eventually(async () => (await box.tree('spool')).length === 0);
    expect(await second.terminate(), second.output).toBe(0);
    expect(watch.failures).toEqual([]);
    expect(watch.results).toHaveLength(count);
    expect(await box.tree('tagged')).toHaveLength(2 * count);
  });

  test('sets aside what nothing is known of, and tags no photo whose result waits already', async () => {
    const watch = await broker();
    const box = await home();
    const spool = join(box.dir, 'spool');
    const first = box.run();
    await first.ready();
    await freeze(first);
    await box.drop('a.jpg', await jpeg(1));
    await eventually(async () => (await box.tree('spool')).length === 2);
    await first.kill();
    await cp(spool, join(box.dir, 'before'), { recursive: true });

    const second = box.run(['env', 'RETAGGER_MQTT_URL=mqtt://127.0.0.1:9']);
    await eventually(() => second.logs.some(({ msg }) => msg === 'tagged') || second.ended);
    await eventually(async () => (await box.tree('spool')).length === 0);
    expect(await second.terminate(), second.output).toBe(0);

    // As if the power had failed before the photo was filed.
    await cp(join(box.dir, 'before'), spool, { recursive: true });
    await writeFile(join(spool, 'stray.photo'), 'the only copy');
    const third = box.run(['env', `RETAGGER_MQTT_URL=${watch.url}`]);
    await third.ready();
    await eventually(async () => (await box.tree('spool')).length === 0);
    await eventually(async () => (await box.tree('outbox')).length === 0);
    expect(await third.terminate(), third.output).toBe(0);
    expect(watch.results.map(({ file }) => file)).toEqual(['a.jpg']);
    expect(await box.tree('failed')).toEqual(['_recovered/stray.photo']);
  });

  test('by SIGKILL, again and again: every photo ends once, and its result arrives', async () => {
    const watch = await broker();
    const box = await home(['--mqtt-url', watch.url, '--ingest-rescan-s', '1']);
    await mkdir(box.ingest, { recursive: true });
    const count = 40;
    for (let round = 0, n = 0; round < 4; round++) {
      const program = box.run();
      const before = watch.results.length;
      for (; n < ((round + 1) * count) / 4; n++) {
        await box.drop(`${n}.jpg`, n % 10 === 3 ? Buffer.from(`text ${n}`) : await jpeg(n));
      }
      // At another point of its work each time.
      await eventually(() => watch.results.length > before + round || program.ended);
      expect(program.ended, program.output).toBe(false);
      await program.kill();
    }
    const last = box.run();
    await last.ready();
    const ended = () => [...watch.results, ...watch.failures];
    await eventually(() => new Set(ended().map(({ file }) => file)).size === count);
    await eventually(async () => (await box.tree('spool')).length === 0);
    expect(await last.terminate()).toBe(0);

    const tagged = (await box.tree('tagged')).filter((name) => !name.endsWith('.json'));
    const failed = (await box.tree('failed')).filter((name) => !name.endsWith('.json'));
    const names = [...tagged.map((name) => name.split('/')[1]), ...failed];
    expect(names.sort()).toEqual(Array.from({ length: count }, (_, n) => `${n}.jpg`).sort());
    expect(failed).toHaveLength(4);
    expect(await box.tree('outbox')).toEqual([]);
    // A repeat is the same photo's: same id, same outcome.
    const byFile = new Map(ended().map((each) => [each.file, each.id]));
    for (const each of ended()) expect(each.id).toBe(byFile.get(each.file));
    expect(new Set(watch.failures.map(({ file }) => file)).size).toBe(4);
    const repeats = ended().length - count;
    expect(repeats).toBeLessThanOrEqual(4 * 10);
  });
});

describe('a stop', () => {
  const said = (program: Run, msg: string) => program.logs.some((line) => line.msg === msg);

  test('while the model loads does not wait for it', async () => {
    const box = await home();
    const program = box.run();
    await freeze(program);
    expect(await program.terminate(), program.output).toBe(0);
    expect([said(program, 'stopped'), said(program, 'ready')]).toEqual([true, false]);
  });

  test('lets who has been answered by HTTP find the same result on the broker', async () => {
    const watch = await broker();
    const box = await home(['--mqtt-url', watch.url]);
    const program = box.run();
    await program.ready();
    const bodies = await Promise.all(Array.from({ length: 12 }, (_, n) => jpeg(n)));
    const answers = bodies.map(async (bytes) => {
      const form = new FormData();
      form.set('image', new Blob([new Uint8Array(bytes)]), 'a.jpg');
      return (await fetch(`${box.url}/re-tagger`, { method: 'POST', body: form })).status;
    });
    await Promise.race(answers);
    expect(await program.terminate(), program.output).toBe(0);
    const statuses = await Promise.all(answers);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(watch.results.length).toBe(statuses.filter((status) => status === 200).length);
    expect(await box.tree('outbox')).toEqual([]);
  });

  test('asked for twice in one moment is one; once more later ends at once', async () => {
    const box = await home();
    const program = box.run();
    await program.ready();
    await freeze(program);
    const form = new FormData();
    form.set('image', new Blob([await jpeg(1)]), 'a.jpg');
    // Its answer would be waited for.
    fetch(`${box.url}/re-tagger`, { method: 'POST', body: form }).catch(() => {});
    await eventually(async () => (await box.tree('spool')).length > 0);
    process.kill(program.pid, 'SIGINT');
    process.kill(program.pid, 'SIGTERM');
    await sleep(1000);
    expect(program.ended, program.output).toBe(false);
    process.kill(program.pid, 'SIGINT');
    expect(await program.exitCode()).toBe(1);
    expect(said(program, 'stopped')).toBe(false);
  });
});

describe('a start that cannot be', () => {
  test('beside a running one ends with exit code 1 and says what is taken', async () => {
    const box = await home();
    const first = box.run();
    await first.ready();
    const sameData = box.run();
    const port = new URL(box.url).port;
    const samePort = new Run(['--data-dir', await temporaryDir(), '--http-port', port]);
    expect(await sameData.exitCode()).toBe(1);
    expect(JSON.stringify(sameData.logs)).toContain('already runs');
    expect(await samePort.exitCode()).toBe(1);
    expect(JSON.stringify(samePort.logs)).toContain('EADDRINUSE');
    expect(first.ended).toBe(false);
  });

  test('with a wrong configuration ends with exit code 2 and names the key', async () => {
    const dir = await temporaryDir();
    const cases = [
      ['--http-port', '70000'],
      ['--ingest-dir', join(dir, 'tagged/kitchen')],
      ['--ingest-dir', dir],
    ];
    for (const flags of cases) {
      const program = new Run(['--data-dir', dir, ...flags]);
      expect(await program.exitCode()).toBe(2);
      expect(program.stderr).toMatch(/http\.port|ingest\.dir/);
    }
  });

  test('without a model ends with exit code 1 and says where it looked', async () => {
    const box = await home(['--model-dir', '/nowhere/model']);
    const program = box.run();
    expect(await program.exitCode()).toBe(1);
    expect(JSON.stringify(program.logs)).toContain('/nowhere/model');
  });
});
