import { copyFile, cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, onTestFinished } from 'vitest';
import { createTagger, type Supervisor } from '../../../src/inference/supervisor/supervisor.ts';
import type { TaggerOptions } from '../../../src/inference/tagger.ts';
import { LABELS, writeTinyBundle } from '../tiny-bundle.ts';

/** A tagger with real worker processes on a tiny model, for the tests of one file. */

export const MiB = 1024 * 1024;
export const ROOMS = LABELS.map((label) => here(`../../fixtures/rooms/${label}.jpg`));
export const FAULTY = here('programs/faulty-worker.mjs');

export let model: Awaited<ReturnType<typeof writeTinyBundle>>;
export let dir: string;
export let tagger: Supervisor;
/** Lines the tagger logged. */
export let logged: string[];

/** Call it once in a file: gives its tests a model, and stops the tagger after each. */
export function useTinyModel(): void {
  beforeAll(async () => {
    model = await writeTinyBundle();
    dir = await mkdtemp(join(tmpdir(), 'retagger-worker-'));
  });
  afterAll(async () => {
    await model.remove();
    await rm(dir, { recursive: true });
  });
  afterEach(() => tagger.stop());
}

export function create(
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
export async function version(name: string, damage = false): Promise<string> {
  const folder = join(dir, name);
  await cp(model.dir, folder, { recursive: true });
  const manifest = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
  manifest.version = name;
  await writeFile(join(folder, 'model.json'), JSON.stringify(manifest));
  if (damage) await writeFile(join(folder, manifest.files.int8), 'damaged');
  return folder;
}

/** The model's file is gone. @returns what puts it back; done at the test's end, too. */
export async function modelTakenAway(): Promise<() => Promise<void>> {
  const file = join(model.dir, 'int8.onnx');
  await rename(file, `${file}.away`);
  const putBack = () => rename(`${file}.away`, file).catch(() => {});
  onTestFinished(putBack);
  return putBack;
}

/** Has the kernel refuse every process from now on; Node starts workers with this program. */
export function refusedBy(program: string): () => void {
  const { execPath } = process;
  const restore = () => {
    process.execPath = execPath;
  };
  process.execPath = program;
  onTestFinished(restore);
  return restore;
}

/** A copy of a good photo, under a name the faulty worker knows. */
export async function named(name: string): Promise<string> {
  const path = join(dir, `${name}.jpg`);
  await copyFile(ROOMS[0] as string, path);
  return path;
}

export const codeOf = (tagging: Promise<unknown>): Promise<string> =>
  tagging.then(
    () => 'tagged',
    (error) => error.code ?? String(error),
  );

/** A program for a worker, made of these lines. */
export async function program(name: string, ...lines: readonly string[]): Promise<string> {
  const path = join(dir, `${name}.mjs`);
  await writeFile(path, lines.join('\n'));
  return path;
}

/** Path of what lies beside these tests. */
export function here(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
