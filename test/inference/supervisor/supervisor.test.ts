import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadBundle } from '../../../src/inference/bundle.ts';
import { loadEngine } from '../../../src/inference/engines.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { toVerdict } from '../../../src/inference/scores.ts';
import { createTagger, type Supervisor } from '../../../src/inference/supervisor/supervisor.ts';
import type { TaggerOptions } from '../../../src/inference/tagger.ts';
import { photosIn } from '../../../src/inference/worker-protocol.ts';
import { LABELS, writeTinyBundle } from '../tiny-bundle.ts';

const MiB = 1024 * 1024;
const ROOMS = LABELS.map((label) => here(`../../fixtures/rooms/${label}.jpg`));
const FAULTY = here('programs/faulty-worker.mjs');

// Whether OpenVINO is set up here must not decide what `auto` means.
vi.mock('../../../src/inference/engines/openvino-path.ts', () => ({ findOpenvino: () => null }));

let model: Awaited<ReturnType<typeof writeTinyBundle>>;
let dir: string;
let tagger: Supervisor;
/** Lines the tagger logged. */
let logged: string[];

beforeAll(async () => {
  model = await writeTinyBundle();
  dir = await mkdtemp(join(tmpdir(), 'retagger-worker-'));
});
afterAll(async () => {
  await model.remove();
  await rm(dir, { recursive: true });
});
afterEach(() => tagger.stop());

function create(
  limits: Partial<TaggerOptions['limits']> = {},
  more: Partial<TaggerOptions> = {},
): Supervisor {
  logged = [];
  tagger = createTagger({
    modelDir: model.dir,
    engine: 'onnxruntime',
    threads: 1,
    workerPath: FAULTY,
    log: pino({ level: 'debug' }, { write: (line: string) => logged.push(line) }),
    ...more,
    limits: {
      ...{ upload_bytes: 8 * MiB, pixels: 50_000_000, memory_bytes: 512 * MiB, photo_seconds: 30 },
      ...limits,
    },
  });
  return tagger;
}

/** The tiny model as another version, perhaps with a damaged file. */
async function version(name: string, damage = false): Promise<string> {
  const folder = join(dir, name);
  await cp(model.dir, folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
  manifest.version = name;
  await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
  if (damage) await writeFile(join(folder, manifest.files.int8), 'damaged');
  return folder;
}

/** The model's file is gone. @returns what puts it back; done at the test's end, too. */
async function modelTakenAway(): Promise<() => Promise<void>> {
  const file = join(model.dir, 'int8.onnx');
  await rename(file, `${file}.away`);
  const putBack = () => rename(`${file}.away`, file).catch(() => {});
  onTestFinished(putBack);
  return putBack;
}

/** Has the kernel refuse every process from now on; Node starts workers with this program. */
function refusedBy(program: string): () => void {
  const { execPath } = process;
  const restore = () => {
    process.execPath = execPath;
  };
  process.execPath = program;
  onTestFinished(restore);
  return restore;
}

/** A copy of a good photo, under a name the faulty worker knows. */
async function named(name: string): Promise<string> {
  const path = join(dir, `${name}.jpg`);
  await copyFile(ROOMS[0] as string, path);
  return path;
}

const codeOf = (tagging: Promise<unknown>): Promise<string> =>
  tagging.then(
    () => 'tagged',
    (error) => error.code ?? String(error),
  );
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
    create({ photo_seconds: 1 });
    await tagger.start();
    const { pids } = tagger;
    await tagger.tag(ROOMS[0] as string);
    await sleep(1300);
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

/** A program for a worker, made of these lines. */
async function program(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(dir, `${name}.mjs`);
  await writeFile(path, lines.join('\n'));
  return path;
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

function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

describe('while more photos come than one inference at once does well', () => {
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
  const start = (
    limits: Partial<TaggerOptions['limits']> = {},
    more: Partial<TaggerOptions> = {},
  ) => create({ memory_bytes: 2048 * MiB, ...limits }, { threads: 2, ...more }).start();

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
    await expect.poll(threads).toBe(before);
  });

  it('two photos at a time are not many', async () => {
    await start();
    const until = Date.now() + 1500;
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
    const until = Date.now() + 1500;
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
    const until = Date.now() + 1500;
    await keepBusy(() => Date.now() > until);
    expect([doesTwo(), said('at once')]).toEqual([false, 0]);
  });
});

describe('another model', () => {
  it('is taken while photos are tagged, none of which waits or fails', async () => {
    create();
    await tagger.start();
    const folder = await version('8');
    let swapped = false;
    const models: string[] = [];
    const lane = async () => {
      while (!swapped || models.at(-1) !== 'tiny@8') {
        models.push((await tagger.tag(ROOMS[0] as string)).model);
      }
    };
    const lanes = [lane(), lane(), lane()];
    expect((await tagger.swap(folder)).model).toBe('tiny@8');
    swapped = true;
    await Promise.all(lanes);
    expect(new Set(models)).toEqual(new Set(['tiny@7', 'tiny@8']));
    expect(tagger.info?.model).toBe('tiny@8');
    expect(tagger.restarts).toEqual({ exit: 0, timeout: 0, memory: 0 });
  });

  it('is what the next worker has too', async () => {
    create();
    await tagger.start();
    await tagger.swap(await version('13'));
    await expect.poll(() => tagger.pids).toHaveLength(1);
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    await expect.poll(() => tagger.restarts.exit).toBe(1);
    expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@13');
  });

  it('that is damaged is refused, and the old one goes on', async () => {
    create();
    await tagger.start();
    await expect(tagger.swap(await version('9', true))).rejects.toThrow(/checksum/);
    await expect(tagger.swap(join(dir, 'nowhere'))).rejects.toThrow(/not a model folder/);
    expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
    expect(tagger.info?.model).toBe('tiny@7');
    expect(tagger.state).toBe('ready');
  });

  it('whose outputs are not its labels is refused by its trial, and the old one goes on', async () => {
    create();
    await tagger.start();
    const folder = await version('16');
    const file = join(folder, 'model.json');
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    const [labels, thresholds] = [[...LABELS, 'garage'], { ...manifest.thresholds, garage: 0 }];
    await writeFile(file, JSON.stringify({ ...manifest, labels, thresholds }));
    await expect(tagger.swap(folder)).rejects.toThrow(/6 logits .* for 7 labels/);
    expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
    expect(tagger.state).toBe('ready');
  });

  it('waits for a worker that is just being started', async () => {
    create();
    await tagger.start();
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    await expect.poll(() => tagger.state).toBe('restarting');
    expect((await tagger.swap(await version('10'))).model).toBe('tiny@10');
    expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@10');
    // The one before may still be ending.
    await expect.poll(() => tagger.pids).toHaveLength(1);
  });

  it('that is copied over the old one is not taken by halves: no worker starts with it', async () => {
    const { dir: modelDir, remove } = await writeTinyBundle();
    onTestFinished(remove);
    create({}, { modelDir });
    await tagger.start();
    const file = join(modelDir, 'int8.onnx');
    const bytes = await readFile(file);
    await writeFile(file, Buffer.concat([bytes, Buffer.from(' ')]));
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    const waiting = tagger.tag(ROOMS[0] as string);
    await expect.poll(() => logged.join('')).toMatch(/does not start|checksum/);
    await writeFile(file, bytes);
    expect((await waiting).model).toBe('tiny@7');
    expect(logged.join('')).toContain('checksum');
  });

  it('cures a box whose worker does not start with the old one any more', async () => {
    const { dir: modelDir, remove } = await writeTinyBundle();
    onTestFinished(remove);
    create({}, { modelDir });
    await tagger.start();
    await writeFile(join(modelDir, 'int8.onnx'), 'damaged');
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    await expect.poll(() => logged.join('')).toContain('does not start');
    const waiting = tagger.tag(ROOMS[0] as string);
    expect((await tagger.swap(await version('11'))).model).toBe('tiny@11');
    expect((await waiting).model).toBe('tiny@11');
    expect([tagger.state, tagger.pids.length]).toEqual(['ready', 1]);
    // Nor is the old one started beside it when its next try would have been due.
    const { pids } = tagger;
    await sleep(2500);
    expect(tagger.pids).toEqual(pids);
  });

  it('that does not load either: the old one is tried on', async () => {
    create();
    await tagger.start();
    const restore = refusedBy('/nowhere/node');
    process.kill(tagger.pids[0] as number, 'SIGKILL');
    await expect.poll(() => logged.join('')).toContain('does not start');
    await expect(tagger.swap(await version('14'))).rejects.toThrow('before it was ready');
    restore();
    expect((await tagger.tag(ROOMS[0] as string)).model).toBe('tiny@7');
  });

  it('that is the same changes nothing', async () => {
    create();
    await tagger.start();
    const pids = tagger.pids;
    await tagger.swap(model.dir);
    expect(tagger.pids).toEqual(pids);
  });
});
