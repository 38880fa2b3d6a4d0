import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { TaggerOptions } from '../../../src/inference/tagger.ts';
import { photosIn } from '../../../src/inference/worker-protocol.ts';
import {
  codeOf,
  create,
  FAULTY,
  logged,
  MiB,
  model,
  named,
  program,
  ROOMS,
  tagger,
  useTinyModel,
  version,
} from './support.ts';

/** What the worker does while more photos come than one inference at once does well. */

// Many photos are many after a quarter of the time.
vi.mock('../../../src/inference/supervisor/burst.ts', async (original) => {
  const { Burst } = await original<typeof import('../../../src/inference/supervisor/burst.ts')>();
  class QuickBurst extends Burst {
    override look(many: boolean, now = performance.now()): void {
      super.look(many, 4 * now);
    }
  }
  return { Burst: QuickBurst };
});
useTinyModel();

/** Long enough to be many, were they. */
const LONG_MS = 500;

interface SharingFault {
  readonly workerPath: string;
  readonly onceStarted: () => Promise<void>;
}

const fileGoesWhenShared = (file: string) =>
  whenShared(`if (existsSync('${file}')) renameSync('${file}', '${file}.away');`);
const endsWhenShared = () => whenShared(`process.kill(process.pid, 'SIGSEGV');`);
/** It never hears that. */
const deafWhenShared = () => whenShared('return true;');
const fileHasGone = async (file: string): Promise<SharingFault> => ({
  workerPath: FAULTY,
  onceStarted: () => rename(file, `${file}.away`),
});

/** The faulty worker, which does this when it is told to load its engine once more. */
async function whenShared(statement: string): Promise<SharingFault> {
  const workerPath = await program(
    'sharing',
    `import { existsSync, renameSync } from 'node:fs';`,
    `import '${FAULTY}';`,
    `const emit = process.emit.bind(process);`,
    `process.emit = (name, message, ...more) => {`,
    `  if (message?.atOnce) { ${statement} }`,
    `  return emit(name, message, ...more);`,
    `};`,
  );
  return { workerPath, onceStarted: async () => {} };
}

const SLOW = 'slow';

/** Photos given out as places become free, until the condition holds. */
async function keepBusy(
  until: () => boolean,
  { name = SLOW, max = 200, atOnce = 8 } = {},
): Promise<Set<string>> {
  const path = await named(name);
  const codes = new Set<string>();
  let given = 0;
  const lane = async () => {
    while (given++ < max && !until()) codes.add(await codeOf(tagger.tag(path)));
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return codes;
}
const doesTwo = () => tagger.concurrency === photosIn(2);
/** Of the worker, without the decoder's, which come and go. */
async function threads(): Promise<number> {
  const tasks = `/proc/${tagger.pids[0]}/task`;
  const ids = await readdir(tasks);
  const names = ids.map((id) => readFile(`${tasks}/${id}/comm`, 'utf8').catch(() => 'gone'));
  return (await Promise.all(names)).filter((name) => !/libvips|gone/.test(name)).length;
}
const said = (what: string) => logged.filter((line) => line.includes(what)).length;
const start = (limits: Partial<TaggerOptions['limits']> = {}, more: Partial<TaggerOptions> = {}) =>
  create({ memory_bytes: 2048 * MiB, ...limits }, { threads: 2, ...more }).start();

it('the worker does two, and so does the one after it; its end loses no photo', async () => {
  await start();
  expect(tagger.concurrency).toBe(photosIn(1));
  const { pids } = tagger;
  const tagged = await keepBusy(doesTwo);
  expect(tagger.pids).toEqual(pids);
  const poisoned = named('poison').then((path) => codeOf(tagger.tag(path)));
  for (const code of await keepBusy(() => tagger.restarts.exit > 2 && doesTwo())) {
    tagged.add(code);
  }
  expect(await poisoned).toBe('worker_crashed');
  expect([...tagged]).toEqual(['tagged']);
  expect(tagger.pids).not.toEqual(pids);
  await expect.poll(() => said('"2 at once"')).toBeGreaterThan(1);
  // Not while there is a photo that may end the worker over it.
  expect(said('does not change its inferences')).toBe(0);
});

it('the worker does two for as long as there are three photos at a time', async () => {
  await start();
  await keepBusy(() => false, { max: 12, atOnce: 3 });
  const before = await threads();
  await keepBusy(doesTwo, { atOnce: 3 });
  const until = Date.now() + 2500;
  await keepBusy(() => Date.now() > until, { atOnce: 3 });
  expect(doesTwo()).toBe(true);
  await expect.poll(doesTwo).toBe(false);
  expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
  await expect.poll(() => [said('"2 at once"'), said('"1 at once"')]).toEqual([1, 1]);
  // No engine is left of those that went.
  await expect.poll(threads).toBeLessThanOrEqual(before);
});

it('two photos at a time are not many', async () => {
  await start();
  const until = Date.now() + LONG_MS;
  await keepBusy(() => Date.now() > until, { atOnce: 2 });
  expect([doesTwo(), said('at once')]).toEqual([false, 0]);
});

it('another model begins with one: it may leave no room for two', async () => {
  await start();
  await keepBusy(doesTwo);
  await tagger.swap(await version('12'));
  expect(tagger.concurrency).toBe(photosIn(1));
  await keepBusy(doesTwo);
  expect(doesTwo()).toBe(true);
});

it.each([
  ['is told that its engine does not load once more', fileGoesWhenShared],
  ['ends while it loads its engine once more', endsWhenShared],
  ['would find another file', fileHasGone],
])('a worker that %s: there is one from now on', async (_, fault) => {
  const file = join(model.dir, 'int8.onnx');
  onTestFinished(() => rename(`${file}.away`, file).catch(() => {}));
  const { workerPath, onceStarted } = await fault(file);
  await start({}, { workerPath });
  await onceStarted();
  const failed = () => said('does not change its inferences') > 0;
  const tagged = await keepBusy(failed);
  expect(failed()).toBe(true);
  // Nor is it tried again and again, though there are still many.
  const until = Date.now() + LONG_MS;
  for (const code of await keepBusy(() => Date.now() > until)) tagged.add(code);
  expect([...tagged]).toEqual(['tagged']);
  expect([doesTwo(), said('two inferences at once from now on')]).toEqual([false, 1]);
  expect(said('does not change its inferences')).toBe(1);
  expect(tagger.pids).toHaveLength(1);
});

it('a worker that hangs while it loads its engine once more is replaced', async () => {
  const { workerPath } = await deafWhenShared();
  await start({}, { workerPath });
  const { pids } = tagger;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  await keepBusy(() => said('two inferences at once from now on') > 0);
  // Its photos go on meanwhile.
  expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
  expect(tagger.pids).toEqual(pids);
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  await expect.poll(() => tagger.restarts.timeout).toBe(1);
  expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
  expect(tagger.pids).not.toEqual(pids);
  expect(said('does not change its inferences')).toBe(1);
});

it('one that has grown goes back to one before it is replaced', async () => {
  await start({ memory_bytes: process.memoryUsage().rss + 450 * MiB });
  await keepBusy(doesTwo);
  await keepBusy(() => tagger.restarts.memory > 0, { name: 'bloat', max: 12, atOnce: 3 });
  const order = ['"why":"memory"', '"1 at once"', 'worker has grown'].map((what) =>
    logged.findIndex((line) => line.includes(what)),
  );
  expect(order).not.toContain(-1);
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

it.each([
  ['has room', { memory_bytes: 192 * MiB }, {}],
  ['has cores', {}, { threads: 1 }],
  ['has an engine', {}, { engine: 'wasm' as const }],
])('but only where it %s for it', async (_, limits, more) => {
  await start(limits, more);
  const until = Date.now() + LONG_MS;
  await keepBusy(() => Date.now() > until);
  expect([doesTwo(), said('at once')]).toEqual([false, 0]);
});
