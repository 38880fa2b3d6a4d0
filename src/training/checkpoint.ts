import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  encodeSafetensors,
  type Tensor as HostTensor,
  readSafetensors,
  type Tensors,
} from '../inference/network/safetensors.ts';

/** One line of the learning curve. */
export interface EpochRecord {
  readonly stage: string;
  /** From 1, within the stage. */
  readonly epoch: number;
  /** Means over the epoch's training examples. */
  readonly loss: number;
  readonly accuracy: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  readonly validationMacroF1: number;
}

/** Where a run stands; with the tensors beside it all that a resumed run needs. */
export interface Progress {
  /** Hash of everything that must not change between the broken run and the resumed one. */
  readonly key: string;
  readonly stage: string;
  /** Epochs of this stage that are complete. */
  readonly epoch: number;
  /** Steps of the next epoch that are complete, and their sums. */
  readonly step: number;
  readonly lossSum: number;
  readonly rightSum: number;
  readonly seen: number;
  readonly history: readonly EpochRecord[];
  /** Of this stage. */
  readonly best: { readonly epoch: number; readonly macroF1: number } | null;
}

const INDEX = 'checkpoint.json';

/** Writes through to the disk before it takes the place of what was there. */
export async function writeFileSafely(path: string, bytes: Uint8Array | string): Promise<void> {
  const draft = `${path}.tmp`;
  try {
    await writeFile(draft, bytes, { flush: true });
    await rename(draft, path);
  } catch (error) {
    // On a full disk it would only be in the way.
    await rm(draft, { force: true }).catch(() => {});
    throw namingFile(error, path);
  }
}

/** What the system says of an open file does not name it. */
export const namingFile = (error: unknown, path: string, cure = ''): Error =>
  new Error(`${path}: ${(error as Error).message}${cure}`, { cause: error });

const CURE = '; --overwrite instead of --resume begins anew';

/** Reads what an earlier run left. @throws Error that names the file and what to do, where it is damaged. */
export async function readLeft<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw namingFile(error, path, CURE);
  }
}

/**
 * Checkpoints of one run: `checkpoint.json` names a tensor file. It is replaced last and at once,
 * so that a crash at any moment leaves the old or the new checkpoint whole.
 */
export class CheckpointStore {
  readonly #dir: string;
  #serial = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async save(progress: Progress, tensors: Tensors): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    const file = `checkpoint-${process.pid}-${Date.now()}-${++this.#serial}.safetensors`;
    await writeFileSafely(join(this.#dir, file), encodeSafetensors(tensors, 'F32'));
    try {
      await writeFileSafely(join(this.#dir, INDEX), JSON.stringify({ ...progress, file }));
    } catch (error) {
      // Nothing names it, and the disk may be full.
      await rm(join(this.#dir, file), { force: true }).catch(() => {});
      throw error;
    }
    for (const name of await readdir(this.#dir)) {
      if (/^checkpoint-.*\.safetensors/.test(name) && name !== file) {
        await rm(join(this.#dir, name), { force: true });
      }
    }
  }

  /** Null where there is none. @throws Error where it is damaged. */
  async load(): Promise<{ readonly progress: Progress; readonly tensors: Tensors } | null> {
    const text = await readFile(join(this.#dir, INDEX), 'utf8').catch(() => null);
    if (text === null) return null;
    const index = join(this.#dir, INDEX);
    const { file, ...progress } = await readLeft(
      index,
      () => JSON.parse(text) as Progress & { file: string },
    );
    const tensors = await readLeft(index, () => readSafetensors(join(this.#dir, file)));
    return { progress, tensors };
  }

  async clear(): Promise<void> {
    for (const name of await readdir(this.#dir).catch(() => [])) {
      if (name.startsWith('checkpoint')) await rm(join(this.#dir, name), { force: true });
    }
  }
}

/** Tensors of a checkpoint whose names start with `prefix/`, without it. */
export function section(tensors: Tensors | undefined, prefix: string): Map<string, HostTensor> {
  const found = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors ?? []) {
    if (name.startsWith(`${prefix}/`)) found.set(name.slice(prefix.length + 1), tensor);
  }
  return found;
}

/** The reverse. */
export const prefixed = (prefix: string, tensors: Tensors): [string, HostTensor][] =>
  [...tensors].map(([name, tensor]) => [`${prefix}/${name}`, tensor]);
