import { hash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { syncFile } from '../../files/durable.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { makeOwnFolder } from '../../files/own-folder.ts';
import type { ModelBundle } from '../bundle.ts';
import { cpuFeatures } from './cpu-features.ts';

/** Hex SHA-256 of all files, one a line. Written last: without it the folder is a broken one. */
const SUMS = 'sha256';
/** What we put into `cacheDir`: the name that `nameFor` makes, and before it is whole a process id behind it. */
const OURS = /^[0-9a-f]{32}(\.\d+)?$/;
/** So many times the graph's size must be free: a cache is never what fills a disk. */
const ROOM = 16;

/** What an engine makes of a bundle's 8-bit graph on this CPU, to keep it on disk. */
export interface Preparation<T> {
  readonly bundle: ModelBundle;
  /** The library that makes it, to its version. */
  readonly by: unknown;
  /** The files that it takes. */
  readonly files: readonly string[];
  /** Writes them into a folder, and what else is needed only until then. */
  prepare(draft: string): Promise<void>;
  /** Loads them. */
  load(home: string): Promise<T>;
  /** Loads the bundle's own graph. */
  without(): Promise<T>;
}

/**
 * Loads what `cacheDir` has for this model, library and CPU, or gets it now. No folder, or one that
 * cannot be written, has little room or holds damaged files, costs time or memory, nothing else.
 */
export async function loadPrepared<T>(
  cacheDir: string | undefined,
  preparation: Preparation<T>,
): Promise<T> {
  if (!cacheDir) return preparation.without();
  const home = join(cacheDir, await nameFor(preparation));
  const { files } = preparation;
  const kept = (await intact(home, files)) ? await preparation.load(home).catch(() => null) : null;
  if (kept) return kept;
  try {
    await prepareAt(home, preparation);
    return await preparation.load(home);
  } catch {
    return preparation.without();
  }
}

/** Leaves the files at `home`, and nothing of them elsewhere. */
async function prepareAt(home: string, preparation: Preparation<unknown>): Promise<void> {
  const { bundle, files } = preparation;
  const draft = `${home}.${process.pid}`;
  try {
    await makeRoom(draft, join(bundle.dir, bundle.manifest.files.int8));
    await preparation.prepare(draft);
    await publish(draft, home, files);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** What is made for one CPU's kernels would be read as nonsense by those of another. */
async function nameFor({ bundle: { manifest }, by }: Preparation<unknown>): Promise<string> {
  const cpu = [arch(), cpus()[0]?.model, await cpuFeatures()];
  const of = [manifest.sha256[manifest.files.int8], by, ...cpu];
  return hash('sha256', JSON.stringify(of)).slice(0, 32);
}

/** @throws Error where the folder cannot be made, or the disk has too little room. */
async function makeRoom(folder: string, source: string): Promise<void> {
  await makeOwnFolder(folder);
  const [{ bavail, bsize }, { size }] = await Promise.all([statfs(folder), stat(source)]);
  if (bavail * bsize < ROOM * size) throw new Error(`${folder}: too little room`);
}

/** A power cut may leave a file with its full length and zeros in it, which load without an error. */
async function intact(folder: string, files: readonly string[]): Promise<boolean> {
  const expected = await readFile(join(folder, SUMS), 'utf8').catch(() => null);
  return expected !== null && expected === (await sums(folder, files).catch(() => ''));
}

async function sums(folder: string, files: readonly string[]): Promise<string> {
  const hashes = await Promise.all(files.map((file) => sha256OfFile(join(folder, file))));
  return hashes.map((hash) => `${hash}\n`).join('');
}

/**
 * Puts a finished draft in its place; what other models, versions or broken tries left goes. Nothing else
 * does: `cacheDir` may be a folder, or a link to one, that somebody had before us.
 */
async function publish(draft: string, home: string, files: readonly string[]): Promise<void> {
  for (const file of await readdir(draft)) {
    if (!files.includes(file)) await rm(join(draft, file));
  }
  await writeFile(join(draft, SUMS), await sums(draft, files));
  for (const file of [...files, SUMS]) await syncFile(join(draft, file));
  const cacheDir = dirname(home);
  for (const other of (await readdir(cacheDir)).filter((name) => OURS.test(name))) {
    const folder = join(cacheDir, other);
    // Mapped files stay with the workers that have them.
    if (folder !== draft) await rm(folder, { recursive: true, force: true });
  }
  await rename(draft, home);
}
