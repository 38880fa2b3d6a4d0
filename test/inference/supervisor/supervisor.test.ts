import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadBundle } from '../../../src/inference/bundle.ts';
import { loadEngine } from '../../../src/inference/engines.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { toVerdict } from '../../../src/inference/scores.ts';
import type { TaggerOptions } from '../../../src/inference/tagger.ts';
import { photosIn } from '../../../src/inference/worker-protocol.ts';
import { LABELS, writeTinyBundle } from '../tiny-bundle.ts';
import {
  codeOf,
  create,
  dir,
  FAULTY,
  here,
  logged,
  MiB,
  model,
  modelTakenAway,
  named,
  program,
  ROOMS,
  refusedBy,
  tagger,
  useTinyModel,
  version,
} from './support.ts';

// Whether OpenVINO is set up here must not decide what `auto` means.
vi.mock('../../../src/inference/engines/openvino-path.ts', () => ({ findOpenvino: () => null }));

useTinyModel();

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a photo', () => {
  it('gets what the engine says about its pixels', async () => {
    create();
    expect(tagger.state).toBe('starting');
    expect(await tagger.start()).toEqual({
      model: 'tiny@7',
      engine: 'onnxruntime',
      labels: LABELS,
    });
    expect(tagger.state).toBe('ready');
    const bundle = await loadBundle(model.dir);
    const engine = await loadEngine('onnxruntime', bundle);
    const taggings = await Promise.all(ROOMS.map((path) => tagger.tag(path)));
    for (const [i, path] of ROOMS.entries()) {
      const bytes = await readFile(path);
      const { pixels, ...size } = await preprocess(bytes, { pixels: 1e6, bytes: 1e6 });
      const { scores, ...verdict } = toVerdict(await engine.infer(pixels), bundle.manifest);
      const { ms, scores: got, ...tagging } = taggings[i] as (typeof taggings)[0];
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const by = { model: 'tiny@7', engine: 'onnxruntime' };
      expect(tagging).toEqual({
        ...{ tag: verdict.tag, score: expect.any(Number), sha256 },
        ...{ ...size, ...by },
      });
      for (const label of LABELS) expect(got[label]).toBeCloseTo(scores[label] as number, 5);
      expect([ms.decode, ms.infer].every((time) => time >= 0)).toBe(true);
    }
    await engine.close();
  });

  it('gets the answer about its own pixels beside others', async () => {
    create({}, { threads: 2 });
    await tagger.start();
    const alone: unknown[] = [];
    for (const path of ROOMS) alone.push((await tagger.tag(path)).scores);
    for (let round = 0; round < 5; round++) {
      const beside = await Promise.all(ROOMS.map((path) => tagger.tag(path)));
      expect(beside.map(({ scores }) => scores)).toEqual(alone);
    }
  });

  it('that cannot be read is refused with its code, and disturbs no other', async () => {
    create();
    await tagger.start();
    const refused = ['empty.jpg', 'text.jpg', 'truncated.jpg', 'bomb.png', 'none.jpg'];
    const paths = refused.map((name) => here(`../../fixtures/refused/${name}`));
    const mixed = paths.flatMap((path, i) => [path, ROOMS[i] as string]);
    expect(await Promise.all(mixed.map((path) => codeOf(tagger.tag(path))))).toEqual([
      ...['image_corrupt', 'tagged', 'image_unsupported', 'tagged', 'image_corrupt', 'tagged'],
      ...['image_too_large', 'tagged', 'file_missing', 'tagged'],
    ]);
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 0 });
  });

  it('may wait for the start', async () => {
    create();
    const early = tagger.tag(ROOMS[0] as string);
    await tagger.start();
    expect((await early).width).toBe(480);
  });
});

describe('a worker', () => {
  it('that is killed loses no photo', async () => {
    create();
    await tagger.start();
    const [pid] = tagger.pids;
    const taggings = Array.from({ length: 12 }, (_, i) => tagger.tag(ROOMS[i % 6] as string));
    await taggings[0];
    process.kill(pid as number, 'SIGKILL');
    expect(await Promise.all(taggings.map(codeOf))).toEqual(Array(12).fill('tagged'));
    expect(tagger.restarts).toEqual({ exit: 1, timeout: 0, memory: 0 });
    expect(tagger.pids).not.toContain(pid);
    expect(tagger.state).toBe('ready');
  });

  it('that a photo kills is started again; only that photo is given up', async () => {
    create();
    await tagger.start();
    const paths = [...ROOMS.slice(0, 2), await named('poison'), ...ROOMS.slice(2)];
    expect(await Promise.all(paths.map((path) => codeOf(tagger.tag(path))))).toEqual([
      ...['tagged', 'tagged', 'worker_crashed', 'tagged', 'tagged', 'tagged', 'tagged'],
    ]);
    expect(tagger.restarts).toEqual({ exit: 3, timeout: 0, memory: 0 });
    expect(tagger.state).toBe('ready');
  });

  it('whose engine loses its thread over a photo is started again', async () => {
    create({}, { workerPath: await threadlessWorker() });
    await tagger.start();
    const paths = [await named('thread'), ...ROOMS.slice(0, 2)];
    expect(await Promise.all(paths.map((path) => codeOf(tagger.tag(path))))).toEqual([
      ...['worker_crashed', 'tagged', 'tagged'],
    ]);
    expect(tagger.restarts).toEqual({ exit: 3, timeout: 0, memory: 0 });
  });

  it('that hangs on a photo is killed after the deadline; only that photo is given up', async () => {
    create({ photo_seconds: 1 });
    await tagger.start();
    const paths = [await named('hang'), ...ROOMS.slice(0, 3)];
    expect(await Promise.all(paths.map((path) => codeOf(tagger.tag(path))))).toEqual([
      ...['worker_timeout', 'tagged', 'tagged', 'tagged'],
    ]);
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 3, memory: 0 });
  });

  it('that has done its photo in time is left alone at the deadline', async () => {
    create();
    await tagger.start();
    const { pids } = tagger;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    await tagger.tag(ROOMS[0] as string);
    vi.advanceTimersByTime(60_000);
    vi.useRealTimers();
    await tagger.tag(ROOMS[0] as string);
    expect(tagger.pids).toEqual(pids);
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 0 });
  });

  it('that stops for a reason outside is replaced, and the photo is tagged', async () => {
    create({ photo_seconds: 1 });
    await tagger.start();
    process.kill(tagger.pids[0] as number, 'SIGSTOP');
    expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 1, memory: 0 });
  });

  it('that has grown is replaced by one that is ready before it goes', async () => {
    // The tests' own process is past this limit, so the worker's share is its fresh size and 48 MiB.
    create({ memory_bytes: 192 * MiB });
    await tagger.start();
    const [old] = tagger.pids;
    const bloated = await named('bloat');
    const states = new Set<string>();
    let tagged = 0;
    while (tagger.restarts.memory === 0 || tagger.pids.includes(old as number)) {
      await tagger.tag(tagged === 0 ? bloated : (ROOMS[tagged % 6] as string));
      states.add(tagger.state);
      tagged += 1;
    }
    expect([...states]).toEqual(['ready']);
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 1 });
    await expect.poll(() => alive(old as number)).toBe(false);
    expect(tagger.pids).toHaveLength(1);
    expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
  });

  it('that cannot be started again is tried until it can; photos wait', async () => {
    create();
    await tagger.start();
    const putBack = await modelTakenAway();
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    const waiting = tagger.tag(ROOMS[0] as string);
    await expect.poll(() => logged.some((line) => line.includes('does not start'))).toBe(true);
    expect(tagger.state).toBe('restarting');
    await putBack();
    expect(await codeOf(waiting)).toBe('tagged');
    expect(tagger.state).toBe('ready');
  });

  it('that has grown and cannot be replaced goes on; not every photo tries it again', async () => {
    create({ memory_bytes: 192 * MiB });
    await tagger.start();
    await modelTakenAway();
    await tagger.tag(await named('bloat'));
    const failures = () => logged.filter((line) => line.includes('could not be replaced')).length;
    await expect.poll(failures).toBe(1);
    for (const path of ROOMS) expect(await codeOf(tagger.tag(path))).toBe('tagged');
    await sleep(100);
    expect([failures(), tagger.restarts.memory]).toEqual([1, 1]);
  });

  it('that ends while its replacement fails is followed by another', async () => {
    create({ memory_bytes: 192 * MiB }, { workerPath: await lateWorker() });
    await tagger.start();
    const [old] = tagger.pids;
    await tagger.tag(await named('bloat'));
    await expect.poll(() => tagger.pids.length).toBe(2);
    process.kill(old as number, 'SIGKILL');
    const waiting = codeOf(tagger.tag(ROOMS[0] as string));
    await expect.poll(() => tagger.pids).not.toContain(old);
    await writeFile(join(dir, 'fail'), '');
    expect(await waiting).toBe('tagged');
    expect(logged.join('')).toContain('could not be replaced');
  });

  it('that does not start again and again is called failed, and is tried on', async () => {
    create();
    await tagger.start();
    const putBack = await modelTakenAway();
    // The waits between the tries.
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    const tries = () => logged.filter((line) => line.includes('does not start')).length;
    while (tries() < 5) {
      expect(tagger.state).not.toBe('failed');
      await new Promise(setImmediate);
      vi.advanceTimersByTime(10);
    }
    expect(tagger.state).toBe('failed');
    await putBack();
    vi.advanceTimersByTime(30_000);
    vi.useRealTimers();
    await expect.poll(() => tagger.state).toBe('ready');
  });

  // ENOENT comes the way that too many processes or open files (EAGAIN, EMFILE) do, as an event; a
  // path that is none is thrown, as it is where memory is short (ENOMEM).
  it.each([
    ['in an event', '/nowhere/node'],
    ['by a throw', '\0'],
  ])(
    'whose process the kernel refuses %s is tried until it can; photos wait',
    async (_, program) => {
      create({}, { engine: 'auto' });
      let restore = refusedBy(program);
      const starting = tagger.start();
      await sleep(300);
      restore();
      expect((await starting).engine).toBe('onnxruntime');

      restore = refusedBy(program);
      process.kill(tagger.pids[0] as number, 'SIGKILL');
      const waiting = tagger.tag(ROOMS[0] as string);
      await expect.poll(() => logged.some((line) => line.includes('does not start'))).toBe(true);
      expect(tagger.state).toBe('restarting');
      restore();
      expect(await codeOf(waiting)).toBe('tagged');
      expect(tagger.pids).toHaveLength(1);

      restore = refusedBy(program);
      const other = await version('10');
      await expect(tagger.swap(other)).rejects.toThrow();
      expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('tagged');
      restore();
      expect((await tagger.swap(other)).model).toBe('tiny@10');
    },
  );

  it('is not started for another model once it has been stopped', async () => {
    create();
    await tagger.start();
    const other = await version('11');
    await tagger.stop();
    await expect(tagger.swap(other)).rejects.toMatchObject({ code: 'stopping' });
    expect(tagger.pids).toEqual([]);
  });

  it('that is stopped while another model loads: no fault of that model', async () => {
    create();
    await tagger.start();
    const swapped = tagger.swap(await version('15'));
    const refused = expect(swapped).rejects.toMatchObject({ code: 'stopping' });
    await expect.poll(() => tagger.pids.length).toBe(2);
    await tagger.stop();
    await refused;
  });

  it('whose replacements end while they load: each counts once', async () => {
    create();
    await tagger.start();
    const restore = refusedBy('/nowhere/node');
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    // Waits of 0, 0.25, 0.5 and 1 s; counted twice 0.5, 2 and 8.
    const starts = () => logged.filter((line) => line.includes('does not start')).length;
    await expect.poll(starts, { timeout: 5000 }).toBeGreaterThanOrEqual(4);
    expect(tagger.restarts.exit).toBe(1);
    restore();
  });

  it('has none of our settings in its environment, and few malloc arenas', async () => {
    const ours = {
      RETAGGER_HTTP_TOKEN: 'very-secret-token',
      NOTIFY_SOCKET: '/run/none',
      WATCHDOG_USEC: '60000000',
      WATCHDOG_PID: '1',
    };
    Object.assign(process.env, ours);
    create();
    await tagger.start();
    for (const name of Object.keys(ours)) delete process.env[name];
    const environment = (await readFile(`/proc/${tagger.pids[0]}/environ`, 'utf8')).split('\0');
    expect(environment).toContain('MALLOC_ARENA_MAX=2');
    for (const name of Object.keys(ours)) expect(environment.join('\n')).not.toContain(name);
  });

  it('is heard on stderr, within bounds', async () => {
    create();
    await tagger.start();
    await tagger.tag(await named('chatty'));
    await expect.poll(() => logged.find((line) => line.includes('xxx'))).toBeDefined();
    expect(logged.find((line) => line.includes('xxx'))?.length).toBeLessThan(1000);
  });

  it('ends when its parent is killed', async () => {
    const parent = spawn(process.execPath, [here('programs/parent.mjs'), model.dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(alive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => alive(pid), { timeout: 5000 }).toBe(false);
  });
});

describe('start', () => {
  it.each<[string, () => Promise<Partial<TaggerOptions>>, RegExp]>([
    ['no model', async () => ({ modelDir: dir }), /is not a model folder/],
    ['a damaged model', () => damaged('int8.onnx'), /does not match its checksum/],
    [
      'damaged weights',
      () => damaged('weights.safetensors', 'reference'),
      /does not match its checksum/,
    ],
    ['another model', otherModel, /does not match its checksum/],
    ['another model for auto', () => otherModel('auto'), /does not match its checksum/],
    ['a file that is no model', noModel, /engine onnxruntime does not load/],
    ['a worker that ends', async () => ({ workerPath: await endingWorker() }), /exit code 3/],
  ])('fails with %s', async (_what, more, message) => {
    create({}, await more());
    await expect(tagger.start()).rejects.toThrow(message);
    expect(tagger.state).toBe('failed');
    expect(tagger.pids).toEqual([]);
  });

  it('fails with a worker that hangs while it loads', async () => {
    create({}, { workerPath: await idleWorker() });
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const started = tagger.start().catch(String);
    while (tagger.pids.length === 0) await new Promise(setImmediate);
    vi.advanceTimersByTime(60_000);
    expect(await started).toContain('ended before it was ready: signal SIGKILL');
    expect(tagger.pids).toEqual([]);
  });

  it('does not read the file of other engines', async () => {
    create({}, await damaged('weights.safetensors'));
    expect((await tagger.start()).engine).toBe('onnxruntime');
  });
});

describe('a worker that is killed from outside while it loads', () => {
  it('is started again, with the same engine', async () => {
    create({}, { engine: 'auto', workerPath: await killedWorker(3) });
    expect((await tagger.start()).engine).toBe('onnxruntime');
    expect(tagger.pids).toHaveLength(1);
  });

  it('is given up when that goes on', async () => {
    create({}, { workerPath: await killedWorker(99) });
    await expect(tagger.start()).rejects.toThrow('signal SIGKILL');
    expect(await readFile(join(dir, 'killed'), 'utf8')).toHaveLength(5);
    expect(tagger.pids).toEqual([]);
  });
});

describe('engine auto', () => {
  it('goes on with WebAssembly where the native library takes its process along', async () => {
    create({}, { engine: 'auto', workerPath: await crashingWorker('onnxruntime') });
    expect((await tagger.start()).engine).toBe('wasm');
    expect(tagger.state).toBe('ready');
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 0 });
    expect(logged.filter((line) => line.includes('SIGSEGV'))).toHaveLength(1);
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    await tagger.tag(ROOMS[0] as string);
    // The next worker does not try the library again.
    expect(tagger.restarts.exit).toBe(1);
    expect(logged.filter((line) => line.includes('SIGSEGV'))).toHaveLength(1);
  });

  it('says why each engine does not load', async () => {
    create({}, { engine: 'auto', workerPath: await endingWorker() });
    await expect(tagger.start()).rejects.toThrow(
      /no engine loads: onnxruntime: .*exit code 3; wasm: .*exit code 3/,
    );
    expect(tagger.pids).toEqual([]);
  });
});

describe('stop', () => {
  it('finishes what is in the worker, refuses the rest, and leaves no process', async () => {
    create();
    await tagger.start();
    const [pid] = tagger.pids;
    const taggings = Array.from({ length: 9 }, () => codeOf(tagger.tag(ROOMS[0] as string)));
    await tagger.stop();
    expect(tagger.state).toBe('stopped');
    expect(await Promise.all(taggings)).toEqual([
      ...Array(photosIn(1)).fill('tagged'),
      ...Array(9 - photosIn(1)).fill('stopping'),
    ]);
    expect(alive(pid as number)).toBe(false);
    expect(await codeOf(tagger.tag(ROOMS[0] as string))).toBe('stopping');
    await tagger.stop();
  });

  it('does not wait for a photo that hangs', async () => {
    create();
    await tagger.start();
    const hanging = codeOf(tagger.tag(await named('hang')));
    await tagger.stop();
    expect(await hanging).toBe('stopping');
    expect(tagger.pids).toEqual([]);
  });

  it('ends a start', async () => {
    create();
    const started = tagger.start().then(
      () => 'started',
      () => 'refused',
    );
    await tagger.stop();
    expect(await started).toBe('refused');
    expect(tagger.state).toBe('stopped');
    expect(tagger.pids).toEqual([]);
  });
});

async function damaged(
  file: string,
  engine: TaggerOptions['engine'] = 'onnxruntime',
): Promise<Partial<TaggerOptions>> {
  const { dir: modelDir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  await writeFile(join(modelDir, file), 'damaged');
  return { modelDir, engine };
}

/** Whole by its checksum. */
async function noModel(): Promise<Partial<TaggerOptions>> {
  const { modelDir = '' } = await damaged('int8.onnx');
  return { modelDir: await expecting(modelDir, 'damaged') };
}

/** One that loads, and is not that of its checksum. */
async function otherModel(
  engine: TaggerOptions['engine'] = 'onnxruntime',
): Promise<Partial<TaggerOptions>> {
  const { dir: modelDir, remove } = await writeTinyBundle();
  onTestFinished(remove);
  return { modelDir: await expecting(modelDir, 'another'), engine };
}

/** Its checksum is that of this text from now on. */
async function expecting(modelDir: string, text: string): Promise<string> {
  const file = join(modelDir, 'model.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  manifest.sha256['int8.onnx'] = createHash('sha256').update(text).digest('hex');
  await writeFile(file, JSON.stringify(manifest));
  return modelDir;
}

/** The real worker, which an engine kills while it loads. */
const crashingWorker = (engine: string): Promise<string> =>
  program(
    'crashing',
    `import '${here('../../../dist/inference/worker.js')}';`,
    `process.on('message', ({ options }) => {`,
    `  if (options?.engine === '${engine}') process.kill(process.pid, 'SIGSEGV');`,
    `});`,
  );

/** The real worker, killed the first `times` it loads. */
async function killedWorker(times: number): Promise<string> {
  const tally = join(dir, 'killed');
  await writeFile(tally, '');
  return program(
    'killed',
    `import { appendFileSync, readFileSync } from 'node:fs';`,
    `import '${here('../../../dist/inference/worker.js')}';`,
    `process.on('message', ({ options }) => {`,
    `  if (!options || readFileSync('${tally}').length >= ${times}) return;`,
    `  appendFileSync('${tally}', 'x');`,
    `  process.kill(process.pid, 'SIGKILL');`,
    `});`,
  );
}

/** The faulty worker; the second that is started fails when a file tells it to. */
async function lateWorker(): Promise<string> {
  const [tally, fail] = [join(dir, 'started'), join(dir, 'fail')];
  for (const file of [tally, fail]) await rm(file, { force: true });
  return program(
    'late',
    `import { appendFileSync, existsSync, readFileSync } from 'node:fs';`,
    `appendFileSync('${tally}', 'x');`,
    `if (readFileSync('${tally}').length === 2) {`,
    `  while (!existsSync('${fail}')) await new Promise((go) => setTimeout(go, 10));`,
    `  process.exit(3);`,
    `}`,
    `await import('${FAULTY}');`,
  );
}

const endingWorker = () => program('ending', 'process.exit(3);');
const idleWorker = () => program('idle', `process.on('message', () => {});`);

/** The real worker, whose engine's thread ends with an error when a photo asks for it. */
async function threadlessWorker(): Promise<string> {
  return program(
    'threadless',
    `import { syncBuiltinESMExports } from 'node:module';`,
    `import threads from 'node:worker_threads';`,
    `const all = [];`,
    `threads.Worker = class extends threads.Worker {`,
    `  constructor(...args) {`,
    `    super(...args);`,
    `    all.push(this);`,
    `  }`,
    `};`,
    `syncBuiltinESMExports();`,
    `await import('${here('../../../dist/inference/worker.js')}');`,
    `process.on('message', ({ path = '' }) => {`,
    `  if (path.includes('thread')) all[0].emit('error', new Error('out of memory'));`,
    `});`,
  );
}
