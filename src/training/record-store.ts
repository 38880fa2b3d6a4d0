import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  encodeSafetensors,
  readSafetensors,
  type Tensors,
} from '../inference/network/safetensors.ts';
import { namingFile, writeFileSafely } from './files.ts';

/** At the end of what is said of an earlier run that cannot be gone on with. */
export const CURE = '; --overwrite instead of --resume begins anew';

/** A record and the tensors that belong to it. */
export interface Stored<T> {
  readonly record: T;
  readonly tensors: Tensors;
}

/**
 * One record of a run, with tensors: `NAME.json` names their file. It is replaced last and at once, so
 * that a crash at any moment leaves the old or the new one whole.
 */
export class RecordStore<T extends object> {
  readonly #dir: string;
  readonly #name: string;
  readonly #index: string;

  constructor(dir: string, name: string) {
    this.#dir = dir;
    this.#name = name;
    this.#index = join(dir, `${name}.json`);
  }

  async save(record: T, tensors: Tensors): Promise<void> {
    await mkdir(this.#dir, { recursive: true });
    const file = `${this.#name}-${randomUUID()}.safetensors`;
    await writeFileSafely(join(this.#dir, file), encodeSafetensors(tensors, 'F32'));
    try {
      await writeFileSafely(this.#index, JSON.stringify({ ...record, file }));
    } catch (error) {
      // Nothing names it, and the disk may be full.
      await rm(join(this.#dir, file), { force: true }).catch(() => {});
      throw error;
    }
    await this.#remove((name) => name.includes('.safetensors') && name !== file);
  }

  /**
   * @param wanted whether the tensors are to be read, too; default: always.
   * @returns null where there is none, or it is not wanted.
   * @throws Error where it is damaged, that names the file and what to do.
   */
  async load(wanted: (record: T) => boolean = () => true): Promise<Stored<T> | null> {
    const text = await readFile(this.#index, 'utf8').catch(() => null);
    if (text === null) return null;
    try {
      const { file, ...rest } = JSON.parse(text) as T & { file: string };
      const record = rest as unknown as T;
      if (!wanted(record)) return null;
      return { record, tensors: await readSafetensors(join(this.#dir, file)) };
    } catch (error) {
      throw namingFile(error, this.#index, CURE);
    }
  }

  async clear(): Promise<void> {
    await this.#remove(() => true);
  }

  /** Those of its files. */
  async #remove(which: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(this.#dir).catch(() => [])) {
      const isOurs = name.startsWith(`${this.#name}.`) || name.startsWith(`${this.#name}-`);
      if (isOurs && which(name)) await rm(join(this.#dir, name), { force: true });
    }
  }
}
