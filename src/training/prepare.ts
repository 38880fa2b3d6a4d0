import { hash } from 'node:crypto';
import { INPUT, inceptionV3, type Layer } from '../inference/network/inceptionv3.ts';
import type { Tensors } from '../inference/network/safetensors.ts';
import { readBase } from './base.ts';
import { applyCorrections, parseCorrections } from './data/corrections.ts';
import { type Dataset, DatasetError, type Photo, readDataset } from './data/dataset.ts';
import { findDuplicates, keepTogether } from './data/duplicates.ts';
import { type GroupOf, groupPhotos, parseGroups, unmatchedSources } from './data/groups.ts';
import { checkLabels, foldersPassedOver } from './data/label-names.ts';
import { parseWeights } from './data/photo-weights.ts';
import { type Split, splitByGroup } from './data/split.ts';
import { withTable } from './data/table.ts';
import type { Example } from './examples/examples.ts';
import { plainExamples, planExamples, type Weight } from './examples/examples.ts';
import type { TrainOptions } from './options.ts';
import { missingWeights } from './stages/initial-weights.ts';

/** The layer after which the first stage trains: all that the ImageNet weights fully have. */
export const HEAD_CUT = 'mixed8';

/** One stage: what comes out of `cut` is fixed, everything after it is trained. */
export interface StagePlan {
  readonly name: 'head' | 'full';
  readonly cut: string;
}

/** Everything a run is made of, before anything is computed. */
export interface Plan {
  readonly dataset: Dataset;
  readonly groupOf: GroupOf;
  readonly weight: Weight;
  readonly split: Split;
  readonly layers: readonly Layer[];
  readonly base: Tensors;
  /** None: the base weights are calibrated and exported as they are. */
  readonly stages: readonly StagePlan[];
  readonly validation: readonly Example[];
  /** Augmented examples of the training photos that are kept on disk. */
  readonly cached: readonly Example[];
  /** Those that may be drawn where pixels are made afresh. */
  readonly fresh: readonly Example[];
  /** Of photos, labels, split and base weights; of the homes where they weigh. */
  readonly key: string;
}

/** @throws Error where `unfreeze` is no layer that a stage may start at. */
export function cutBelow(unfreeze: string): string {
  if (unfreeze === 'all') return INPUT;
  const match = /^mixed([0-8])$/.exec(unfreeze);
  if (!match) throw new Error(`unfreeze: "${unfreeze}" is none of mixed0 … mixed8, all, none`);
  return match[1] === '0' ? 'pool_2' : `mixed${Number(match[1]) - 1}`;
}

/**
 * @param note told what was made of the groups and the base weights.
 * @throws DatasetError, or an Error that says which setting does not fit.
 */
export async function prepare(
  options: TrainOptions,
  note: (text: string) => void = () => {},
): Promise<Plan> {
  const given = await readDataset(options.data, options.labels);
  checkLabels(options.data, given.labels);
  const passedOver = await foldersPassedOver(options.data);
  if (passedOver.length > 0) note(`folders passed over: ${passedOver.join(', ')}`);
  const dataset = options.corrections
    ? await withTable('--corrections', options.corrections, (csv) =>
        applyCorrections(given, parseCorrections(csv, given.photos)),
      )
    : given;
  const sources =
    options.groups &&
    (await withTable('--groups', options.groups, (csv) => {
      const found = parseGroups(csv, given.photos);
      // Photos that a correction leaves out may be listed.
      const unmatched = unmatchedSources(found, given.photos);
      if (unmatched) note(`warning: --groups ${options.groups}: ${unmatched}`);
      return found;
    }));
  const { of: homeOf, said: homes } = groupPhotos(dataset.photos, {
    ...(sources ? { sources } : {}),
    ...(options.groupBy ? { pattern: new RegExp(options.groupBy) } : {}),
  });
  note(homes);
  const groupOf = keepTogether(await findDuplicates(dataset), homeOf, note);
  const { labels, photos } = dataset;
  const focus = options.focus ? new RegExp(options.focus) : null;
  const focused = ({ file }: Photo) => focus?.test(file.slice(file.indexOf('/') + 1)) ?? true;
  if (!photos.some(focused)) throw new DatasetError('--focus', [`${focus} fits no photo's name`]);
  const listed = options.weights
    ? await withTable('--weights', options.weights, (csv) => parseWeights(csv, dataset.dir, photos))
    : new Map<string, number>();
  const weight: Weight = (photo) =>
    (focus && focused(photo) ? options.focusWeight : 1) * (listed.get(photo.file) ?? 1);
  const { validation: share, seed, examples } = options;
  const split = splitByGroup(photos, labels, groupOf, share, seed, focused);
  const examplesOf = (perClass: number) =>
    options.augment ? planExamples(split.train, perClass, weight) : plainExamples(split.train);
  const stages: StagePlan[] = [];
  if (options.head.epochs > 0) stages.push({ name: 'head', cut: HEAD_CUT });
  if (options.unfreeze !== 'none') stages.push({ name: 'full', cut: cutBelow(options.unfreeze) });
  const layers = inceptionV3(labels.length);
  const { weights: base, sha256, said } = await readBase(options.base, labels, !!options.labels);
  if (options.head.epochs === 0) {
    const random = missingWeights(layers, base);
    // The rest would be trained towards what a random head asks for.
    if (random.length > 0) {
      const lacks = `no head epochs, but the base lacks ${random.join(', ')}`;
      throw new Error(`${lacks} (${said})`);
    }
  }
  note(said);
  const made: unknown[] = [sha256, seed, labels, photos, split.validation, [...listed]];
  // The split may be the same with other homes, but not how often their photos are drawn.
  if (options.spread > 0) made.push(split.train.map(groupOf));
  return {
    ...{ dataset, groupOf, weight, split, stages },
    ...{ layers, base },
    validation: plainExamples(split.validation),
    cached: examplesOf(examples),
    fresh: examplesOf(Number.POSITIVE_INFINITY),
    key: hash('sha256', JSON.stringify(made)),
  };
}
