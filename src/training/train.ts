import { hash } from 'node:crypto';
import { join } from 'node:path';
import { INPUT, MISSING_KERNELS } from '../inference/network/inceptionv3.ts';
import {
  encodeSafetensors,
  type Tensor as HostTensor,
  type Tensors,
} from '../inference/network/safetensors.ts';
import { loadTfjs, type Tensor4D } from '../inference/tfjs.ts';
import { beginRun, saveRun, trainingDir } from './begin.ts';
import { type EpochRecord, type StageRecord, storesIn } from './checkpoint.ts';
import { claimFolders } from './claim.ts';
import type { TrainContext } from './context.ts';
import { evenly } from './examples/examples.ts';
import { createSampler } from './examples/sampler.ts';
import type { TrainOptions } from './options.ts';
import { HEAD_CUT, type Plan, prepare, type StagePlan } from './prepare.ts';
import { publish } from './publish/publish.ts';
import type { Published } from './publish/published.ts';
import { CURE, type Stored } from './record-store.ts';
import { SILENT, type TrainReporter } from './reporter.ts';
import { openSources } from './sources.ts';
import { initialWeights, normaliseFresh } from './stages/initial-weights.ts';
import { interpolate } from './stages/interpolate.ts';
import { runStage } from './stages/stage.ts';

/** Instead of a stage: weights that were trained elsewhere. */
const GIVEN = { name: 'given', cut: INPUT } as const;

/** Of all that a resumed stage must share with the broken one. Epochs may be added or left out. */
function stageKey(plan: Plan, options: TrainOptions, stage: StagePlan): string {
  const { batch, dropout, rho, balance, spread, examples, labelSmoothing, schedule } = options;
  const { focus, focusWeight, augment, warmup, ema, seed } = options;
  const { learningRate } = options[stage.name];
  const settings = {
    ...{ stage, learningRate, batch, dropout, rho, balance, spread, examples, labelSmoothing },
    ...{ schedule, focus, focusWeight, augment, warmup, ema, seed },
  };
  return hash('sha256', JSON.stringify([plan.key, settings]));
}

/** Runs a stage, or takes up its checkpoint, or takes its result where it was finished before. */
async function stageWeights(
  context: TrainContext,
  stage: StagePlan,
  weights: Tensors,
  earlier: readonly EpochRecord[],
): Promise<Stored<StageRecord>> {
  const { plan, options, reporter } = context;
  const dir = trainingDir(options.out);
  const { checkpoint, [stage.name]: finished } = storesIn(dir);
  const broken = options.resume ? await checkpoint.load() : null;
  const here = broken?.record.stage === stage.name ? broken : null;
  const key = stageKey(plan, options, stage);
  const settings = String([options[stage.name].epochs, options.patience]);
  // The first begins with what the plan says; to the last bit that is not the same on each run.
  const start = stage === plan.stages[0] ? new Map() : weights;
  const made = hash('sha256', Buffer.concat([Buffer.from(key), encodeSafetensors(start, 'F32')]));
  const before =
    options.resume && !here ? await finished.load((record) => record.key === made) : null;
  // Where a later stage was broken off, it goes on from this one, however long that was to take.
  if (before && (broken || before.record.settings === settings)) {
    reporter.note(`stage ${stage.name} was finished before`);
    return before;
  }
  if (broken && here?.record.key !== key) {
    throw new Error(`${dir}: the checkpoint was made with other settings or photos${CURE}`);
  }
  const examples = stage.cut === INPUT ? plan.fresh : plan.cached;
  const { balance, spread, seed } = options;
  const drawn = { balance, spread, weight: plan.weight, seed };
  const sampler = createSampler(examples, plan.dataset.labels.length, plan.groupOf, drawn);
  const how = { ...context, stage, sampler, weights, store: checkpoint };
  const result = await runStage(how, key, earlier, here);
  const tensors = new Map([...weights, ...result.weights]);
  const record = { key: made, settings, macroF1: result.macroF1, history: result.history };
  await finished.save(record, tensors);
  await checkpoint.clear();
  return { record, tensors };
}

/** Examples that tell the spread of a fresh kernel's outputs. */
const NORMALISED_ON = 128;

/** Missing kernels start random; this scales them on some training photos' features. */
async function scaleMissing(
  { tf, plan, sources }: TrainContext,
  weights: Map<string, HostTensor>,
): Promise<void> {
  if (MISSING_KERNELS.every((name) => plan.base.has(`${name}/kernel`))) return;
  // They are sorted by class: the first ones alone would leave some classes out.
  const features = await sources.of(HEAD_CUT)(evenly(plan.cached, NORMALISED_ON));
  normaliseFresh(tf, plan.layers, weights, plan.base, HEAD_CUT, features as Tensor4D);
  features.dispose();
}

/**
 * The paper's two stages, from a folder of labelled photos to a model folder. Without a stage to run, the base
 * weights as they are: only calibrated and exported.
 * @throws DatasetError for bad photos, before anything is trained; Interrupted after `signal`, with
 *   a checkpoint on disk that `resume` continues.
 */
export async function train(
  options: TrainOptions,
  reporter: TrainReporter = SILENT,
  signal?: AbortSignal,
): Promise<Published> {
  const plan = await prepare(options, (text) => reporter.note(text));
  const features = options.cache ?? join(trainingDir(options.out), 'features');
  const release = await claimFolders({ '--out': options.out, '--cache': features });
  try {
    return await run(plan, features, options, reporter, signal);
  } finally {
    release();
  }
}

async function run(
  plan: Plan,
  features: string,
  options: TrainOptions,
  reporter: TrainReporter,
  signal: AbortSignal | undefined,
): Promise<Published> {
  const { train: some, validation } = plan.split;
  reporter.note(`${some.length} photos for training, ${validation.length} for validation`);
  const tf = await loadTfjs(options.threads);
  const key = plan.stages[0] ? stageKey(plan, options, plan.stages[0]) : plan.key;
  const record = await beginRun(key, plan.dataset, options, reporter, signal);
  const initial = initialWeights(plan.layers, plan.base, options.seed);
  const here = { tf, plan, options, reporter, signal };
  const sources = await openSources(here, initial, features);
  const context: TrainContext = { ...here, sources };
  try {
    await scaleMissing(context, initial);
    let weights: Tensors = initial;
    let best: (Stored<StageRecord> & { stage: StagePlan }) | null = null;
    let history: readonly EpochRecord[] = [];
    for (const stage of plan.stages) {
      const result = await stageWeights(context, stage, weights, history);
      weights = result.tensors;
      history = result.record.history;
      // A later stage is shipped only where it is better on validation.
      if (!best || result.record.macroF1 > best.record.macroF1) best = { ...result, stage };
    }
    const shipped = best ? interpolate(best.tensors, plan.base, options.baseShare) : plan.base;
    const published = await publish(context, shipped, best?.stage ?? GIVEN, history);
    await saveRun(trainingDir(options.out), { ...record, finished: true });
    return published;
  } finally {
    await sources.close();
  }
}
