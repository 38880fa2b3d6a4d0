import type { Tensor, Tensors } from '../inference/network/safetensors.ts';
import { RecordStore } from './record-store.ts';

/** One line of the learning curve. */
export interface EpochRecord {
  readonly stage: string;
  /** From 1, within the stage. */
  readonly epoch: number;
  /**
   * Means over the epoch's training examples, each before its step: with dropout and label smoothing,
   * so the loss may lie above validation's. Losses are cross-entropies in nats.
   */
  readonly loss: number;
  readonly accuracy: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  readonly validationMacroF1: number;
}

/** The epoch whose weights a stage leaves: the first of those with the highest macro F1. */
export const bestEpoch = (history: readonly EpochRecord[]): EpochRecord | undefined =>
  history.toSorted((a, b) => b.validationMacroF1 - a.validationMacroF1)[0];

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

/** What a finished stage leaves, with all weights. */
export interface StageRecord {
  /** Of what it was made from: photos, settings, the weights it began with. */
  readonly key: string;
  /** Epochs and patience: how long it was to take. */
  readonly settings: string;
  readonly macroF1: number;
  readonly history: readonly EpochRecord[];
}

/** What a run keeps in its training folder for the next one. */
export const storesIn = (dir: string) => ({
  checkpoint: new RecordStore<Progress>(dir, 'checkpoint'),
  head: new RecordStore<StageRecord>(dir, 'head'),
  full: new RecordStore<StageRecord>(dir, 'full'),
});

/** Tensors of a checkpoint whose names start with `prefix/`, without it. */
export function section(tensors: Tensors | undefined, prefix: string): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const [name, tensor] of tensors ?? []) {
    if (name.startsWith(`${prefix}/`)) found.set(name.slice(prefix.length + 1), tensor);
  }
  return found;
}

/** The reverse. */
export const prefixed = (prefix: string, tensors: Tensors): [string, Tensor][] =>
  [...tensors].map(([name, tensor]) => [`${prefix}/${name}`, tensor]);
