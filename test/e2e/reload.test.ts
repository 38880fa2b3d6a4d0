import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually, home, jpeg, temporaryDir } from './harness.ts';
import { childrenOf } from './victims.ts';

const BUNDLED = 'models/retagger-inceptionv3';

async function tag(url: string, number: number): Promise<{ status: number; model?: string }> {
  const form = new FormData();
  form.set('image', new Blob([new Uint8Array(await jpeg(number))]), 'p.jpg');
  const headers = { accept: 'application/vnd.retagger.result+json' };
  const answer = await fetch(`${url}/re-tagger`, { method: 'POST', body: form, headers });
  const { model } = (await answer.json()) as { model?: string };
  return { status: answer.status, ...(model ? { model } : {}) };
}

test('SIGHUP: another model without a failed request; what is wrong changes nothing', async () => {
  const dir = await temporaryDir();
  const file = join(dir, 'config.yaml');
  const other = join(dir, 'model');
  await cp(BUNDLED, other, { recursive: true });
  const manifest = JSON.parse(await readFile(join(other, 'model.json'), 'utf8'));
  const name = `${manifest.name}@next`;
  await writeFile(join(other, 'model.json'), JSON.stringify({ ...manifest, version: 'next' }));

  const box = await home(['--config', file, '--limits-remembered', '100']);
  await writeFile(file, 'ingest:\n  after: move\n');
  const run = box.run();
  await run.ready();
  expect((await tag(box.url, 0)).model).not.toBe(name);
  const said = (msg: string) => run.logs.filter((line) => line.msg === msg);
  const readyz = async () => (await fetch(`${box.url}/readyz`)).json();

  // A wrong value.
  await writeFile(file, 'ingest:\n  after: burn\n');
  process.kill(run.pid, 'SIGHUP');
  await eventually(() => said('what was in force stays in force').length === 1);
  expect(said('what was in force stays in force')[0]?.reason).toContain('ingest.after');

  // A model that is not there, and a key that needs a restart.
  await writeFile(
    file,
    `model:\n  dir: ${dir}/nowhere\ningest:\n  after: delete\nlog:\n  level: debug\n`,
  );
  process.kill(run.pid, 'SIGHUP');
  await eventually(() => said('what was in force stays in force').length === 2);
  expect(said('these keys change at the next start only')[0]?.keys).toEqual(['log.level']);
  expect(JSON.stringify(await readyz())).toContain('nowhere is not in use');
  expect((await fetch(`${box.url}/readyz`)).status).toBe(200);
  await box.drop('stays.jpg', await jpeg(1));
  await eventually(async () => (await box.tree('tagged')).length === 2);
  await eventually(async () => (await box.tree('spool')).length === 0);
  await rm(join(box.dir, 'tagged'), { recursive: true });

  // Photos that stay must be remembered from the start on.
  await writeFile(file, 'ingest:\n  after: keep\n');
  process.kill(run.pid, 'SIGHUP');
  await eventually(() => said('configuration taken over').length === 1);
  expect(said('these keys change at the next start only')[1]?.keys).toEqual(['ingest.after']);
  expect(said('configuration taken over')[0]?.after).toBe('move');

  // A good one, under load.
  await writeFile(file, `model:\n  dir: ${other}\ningest:\n  after: delete\n`);
  let number = 1;
  const answers: { status: number; model?: string }[] = [];
  const lane = async () => {
    while (answers.at(-1)?.model !== name) answers.push(await tag(box.url, number++));
  };
  const lanes = [lane(), lane(), lane()];
  process.kill(run.pid, 'SIGHUP');
  await Promise.all(lanes);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect(JSON.stringify(await readyz())).not.toContain('not in use');
  // What the other model said is not remembered.
  expect((await tag(box.url, 0)).model).toBe(name);
  await box.drop('gone.jpg', await jpeg(1));
  await eventually(() =>
    run.logs.some((line) => line.msg === 'tagged' && line.file === 'gone.jpg'),
  );
  await eventually(async () => (await box.tree('spool')).length === 0);
  expect(await box.tree('tagged')).toEqual([]);
  expect(await run.terminate()).toBe(0);
});

test('SIGHUP before it is ready is heard once it is', async () => {
  const dir = await temporaryDir();
  const file = join(dir, 'config.yaml');
  await writeFile(file, 'ingest:\n  after: move\n');
  const box = await home(['--config', file]);
  const run = box.run();
  await eventually(() => run.logs.length > 0);
  await writeFile(file, 'ingest:\n  after: delete\n');
  process.kill(run.pid, 'SIGHUP');
  await run.ready();
  const taken = () => run.logs.filter(({ msg }) => msg === 'configuration taken over');
  await eventually(() => taken().length === 1);
  expect(taken()[0]?.after).toBe('delete');
});

test('SIGUSR1 opens no debugger, SIGUSR2 and SIGHUP end nothing, in the worker neither', async () => {
  const box = await home([]);
  const run = box.run();
  await run.ready();
  const pids = [run.pid, ...childrenOf(run.pid)];
  expect(pids.length).toBeGreaterThan(1);
  for (const pid of pids) process.kill(pid, 'SIGHUP');
  for (const name of ['SIGUSR1', 'SIGUSR2'] as const) {
    for (const pid of pids) process.kill(pid, name);
    await eventually(() => run.logs.some(({ signal }) => signal === name));
  }
  expect(await tag(box.url, 0)).toMatchObject({ status: 200 });
  expect(childrenOf(run.pid)).toEqual(pids.slice(1));
  expect(await run.terminate()).toBe(0);
  expect(run.stderr).not.toContain('Debugger listening');
});
