import { createHash } from 'node:crypto';
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { env, type InferenceSession } from 'onnxruntime-common';
import { sha256OfFile } from '../../file-hash.ts';
import type { ModelBundle } from '../bundle.ts';
import { cpuFeatures, multipliesMatrices } from './cpu-features.ts';

/**
 * The graph as onnxruntime runs it on this CPU, kept on disk: optimised once, and what weights it
 * keeps in the order its kernels read them. Weights are mapped instead of copied; those kept in
 * order stay so and are shared by two workers, those of its own convolution kernels each worker packs.
 */

const GRAPH = 'graph.onnx';
const WEIGHTS = 'weights.bin';
/** Only while it is packed. */
const REWRITTEN = 'rewritten.onnx';
/** Hex SHA-256 of both files, one a line. Written last: without it the folder is a broken one. */
const SUMS = 'sha256';
/** So many times the graph's size must be free: a cache is never what fills a disk. */
const ROOM = 16;

type SessionOptions = InferenceSession.SessionOptions;
type Create = (path: string, options: SessionOptions) => Promise<InferenceSession>;

/**
 * A session of the bundle's 8-bit graph, as `cacheDir` has it for this model, library and CPU, or
 * gets it now. A folder that cannot be written, has little room or holds damaged files costs
 * memory, nothing else.
 * @param create makes a session of a file; its own options go before those passed to it.
 */
export async function createPrepared(
  bundle: ModelBundle,
  cacheDir: string,
  create: Create,
): Promise<InferenceSession> {
  const source = join(bundle.dir, bundle.manifest.files.int8);
  const home = join(cacheDir, await nameFor(bundle));
  // What is left to optimise was optimised when it was written.
  const load = () => create(join(home, GRAPH), { graphOptimizationLevel: 'disabled' });
  const session = (await intact(home)) ? await load().catch(() => null) : null;
  if (session) return session;
  try {
    await pack(source, home, create);
    return await load();
  } catch {
    return create(source, {});
  }
}

/** Leaves the packed graph at `home`, and nothing of it elsewhere. */
async function pack(source: string, home: string, create: Create): Promise<void> {
  const draft = `${home}.${process.pid}`;
  try {
    await makeRoom(draft, source);
    const session = await create(await forThisCpu(source, draft), savingTo(draft));
    // It has the weights twice, and would keep them.
    await session.release();
    await publish(draft, home);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    throw error;
  }
}

/** Packed weights of one CPU's kernels would be read as nonsense by those of another. */
async function nameFor({ manifest }: ModelBundle): Promise<string> {
  const { versions } = env;
  const cpu = [arch(), cpus()[0]?.model, await cpuFeatures()];
  const of = [manifest.sha256[manifest.files.int8], versions, ...cpu];
  return createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 32);
}

/** The file to pack: the bundle's, or in `draft` the same graph as this CPU computes it faster. */
async function forThisCpu(source: string, draft: string): Promise<string> {
  if (!multipliesMatrices(await cpuFeatures())) return source;
  const { writeAsProducts } = await import('./matrix-products.ts');
  const rewritten = join(draft, REWRITTEN);
  return (await writeAsProducts(source, rewritten)) ? rewritten : source;
}

/** @throws Error where the folder cannot be made, or the disk has too little room. */
async function makeRoom(folder: string, source: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const [{ bavail, bsize }, { size }] = await Promise.all([statfs(folder), stat(source)]);
  if (bavail * bsize < ROOM * size) throw new Error(`${folder}: too little room`);
}

/** Has a session leave its optimised graph and packed weights in `folder`. */
export const savingTo = (folder: string): SessionOptions => ({
  optimizedModelFilePath: join(folder, GRAPH),
  extra: {
    session: {
      save_external_prepacked_constant_initializers: '1',
      optimized_model_external_initializers_file_name: WEIGHTS,
      optimized_model_external_initializers_min_size_in_bytes: '1024',
    },
  },
});

/** A power cut may leave a file with its full length and zeros in it, which load without an error. */
async function intact(folder: string): Promise<boolean> {
  const expected = await readFile(join(folder, SUMS), 'utf8').catch(() => null);
  return expected !== null && expected === (await sums(folder).catch(() => ''));
}

async function sums(folder: string): Promise<string> {
  const hashes = await Promise.all(
    [GRAPH, WEIGHTS].map((file) => sha256OfFile(join(folder, file))),
  );
  return hashes.map((hash) => `${hash}\n`).join('');
}

/** Puts a finished draft in its place; what other models, versions or broken tries left goes. */
async function publish(draft: string, home: string): Promise<void> {
  await rm(join(draft, REWRITTEN), { force: true });
  await writeFile(join(draft, SUMS), await sums(draft));
  for (const file of await readdir(draft)) {
    const handle = await open(join(draft, file), 'r');
    await handle.sync().finally(() => handle.close());
  }
  const cacheDir = dirname(home);
  for (const other of await readdir(cacheDir)) {
    const folder = join(cacheDir, other);
    // Mapped files stay with the workers that have them.
    if (folder !== draft) await rm(folder, { recursive: true, force: true });
  }
  await rename(draft, home);
}
