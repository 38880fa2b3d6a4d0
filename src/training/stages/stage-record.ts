import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  encodeSafetensors,
  readSafetensors,
  type Tensors,
} from '../../inference/network/safetensors.ts';
import { type EpochRecord, readLeft, writeFileSafely } from '../checkpoint.ts';

/** What a finished stage leaves in the training folder, beside its weights. */
export interface StageRecord {
  /** Of what it was made from: photos, settings, the weights it began with. */
  readonly key: string;
  /** Epochs and patience: how long it was to take. */
  readonly settings: string;
  readonly macroF1: number;
  readonly history: readonly EpochRecord[];
}

/** @param made what tells one run of a stage from another. */
export function recordKey(made: readonly unknown[], weights: Tensors): string {
  const hash = createHash('sha256').update(JSON.stringify(made));
  for (const name of [...weights.keys()].sort()) {
    const data = weights.get(name)?.data;
    hash.update(name);
    if (data) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** Results of finished stages, `<dir>/<stage>.json` and `.safetensors`. */
export class StageRecords {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** @returns null where this stage was not finished, or was another one. */
  async load(
    stage: string,
    key: string,
  ): Promise<{ readonly weights: Tensors; readonly record: StageRecord } | null> {
    const text = await readFile(this.#file(stage, 'json'), 'utf8').catch(() => null);
    if (text === null) return null;
    const index = this.#file(stage, 'json');
    const record = await readLeft(index, () => JSON.parse(text) as StageRecord);
    if (record.key !== key) return null;
    const weights = await readLeft(index, () => readSafetensors(this.#file(stage, 'safetensors')));
    return { weights, record };
  }

  async save(stage: string, weights: Tensors, record: StageRecord): Promise<void> {
    // The old record goes first: it must never stand beside other weights.
    await rm(this.#file(stage, 'json'), { force: true });
    await writeFileSafely(this.#file(stage, 'safetensors'), encodeSafetensors(weights, 'F32'));
    await writeFileSafely(this.#file(stage, 'json'), JSON.stringify(record));
  }

  async clear(): Promise<void> {
    for (const stage of ['head', 'full']) {
      await rm(this.#file(stage, 'json'), { force: true });
      await rm(this.#file(stage, 'safetensors'), { force: true });
    }
  }

  #file(stage: string, extension: string): string {
    return join(this.#dir, `${stage}.${extension}`);
  }
}
