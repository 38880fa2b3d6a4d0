import type { Layer } from '../inference/inceptionv3.ts';
import type { Tensors } from '../inference/safetensors.ts';
import type { Tfjs } from '../inference/tfjs.ts';
import {
  type CheckpointStore,
  type EpochRecord,
  type Progress,
  prefixed,
  section,
} from './checkpoint.ts';
import { predictLogits, type Source } from './evaluate-examples.ts';
import type { Example } from './features.ts';
import { describe, judge } from './judge.ts';
import { createRmsProp } from './optimizer.ts';
import type { StageOptions, TrainOptions, TrainReporter } from './options.ts';
import { createParameters, download } from './parameters.ts';
import type { Sampler } from './sampler.ts';
import { learningRate } from './schedule.ts';
import { trainStep } from './step.ts';

/** Thrown after a checkpoint was written because the user asked to stop. */
export class Interrupted extends Error {
  constructor() {
    super('stopped; the checkpoint is complete');
    this.name = 'Interrupted';
  }
}

export interface StageContext {
  readonly tf: Tfjs;
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly labels: readonly string[];
  readonly cut: string;
  readonly source: Source;
  readonly sampler: Sampler;
  readonly validation: readonly Example[];
  readonly settings: StageOptions;
  readonly options: TrainOptions;
  /** Of the whole network, at this stage's start. */
  readonly weights: Tensors;
  readonly store: CheckpointStore;
  readonly reporter: TrainReporter;
  readonly signal: AbortSignal | undefined;
}

export interface StageResult {
  /** The trained layers' weights at the best epoch. */
  readonly weights: Tensors;
  readonly macroF1: number;
  readonly history: readonly EpochRecord[];
}

/**
 * Trains the layers above the cut and keeps their best weights by validation macro F1.
 * @param from where a broken run of this stage stood.
 * @throws Interrupted once the signal is aborted.
 */
export async function runStage(
  context: StageContext,
  key: string,
  earlier: readonly EpochRecord[],
  from: { readonly progress: Progress; readonly tensors: Tensors } | null,
): Promise<StageResult> {
  const { tf, name, layers, cut, labels, options, settings, reporter } = context;
  const { batch } = options;
  const present = from ? section(from.tensors, 'now') : context.weights;
  const averages = from && options.ema > 0 ? section(from.tensors, 'average') : present;
  const parameters = createParameters(tf, layers, cut, present, options.ema, averages);
  const rmsprop = await createRmsProp(tf, options.rho, section(from?.tensors, 'optimizer'));
  const stepsPerEpoch = Math.ceil(context.sampler(1).length / batch);
  const total = stepsPerEpoch * settings.epochs;
  let best = from?.progress.best ?? null;
  let bestWeights: Tensors = best ? section(from?.tensors, 'best') : new Map();
  const history: EpochRecord[] = [...(from?.progress.history ?? earlier)];
  let epoch = from?.progress.epoch ?? 0;
  let { step, lossSum, rightSum, seen } = from?.progress ?? {
    step: 0,
    lossSum: 0,
    rightSum: 0,
    seen: 0,
  };
  let savedAt = performance.now();

  const save = async (finished: boolean) => {
    const state: Progress = {
      ...{ key, stage: name, epoch, step, lossSum, rightSum, seen, history, best, finished },
    };
    const tensors = new Map([
      ...prefixed('now', await download(parameters.trained)),
      ...(options.ema > 0 ? prefixed('average', await download(parameters.averaged)) : []),
      ...prefixed('optimizer', await rmsprop.save()),
      ...prefixed('best', bestWeights),
    ]);
    await context.store.save(state, tensors);
    savedAt = performance.now();
  };

  const trainEpoch = async () => {
    const examples = context.sampler(epoch + 1);
    const batchAt = (i: number) => examples.slice(i * batch, (i + 1) * batch);
    reporter.start(`${name} epoch ${epoch + 1}/${settings.epochs}`, examples.length);
    const draw = (i: number) => {
      const examples = i < stepsPerEpoch ? context.source(batchAt(i)) : null;
      examples?.catch(() => {}); // reported when its turn comes
      return examples;
    };
    let next = draw(step);
    while (next) {
      const drawn = batchAt(step);
      const x = await next;
      next = draw(step + 1);
      const global = epoch * stepsPerEpoch + step;
      const warmup = Math.round(options.warmup * stepsPerEpoch);
      rmsprop.setLearningRate(
        learningRate(options.schedule, settings.learningRate, global, total, warmup),
      );
      const truth = drawn.map(({ photo }) => photo.label);
      const { loss, right } = trainStep(
        tf,
        parameters,
        rmsprop.optimizer,
        x,
        truth,
        `${name}/${global}`,
        {
          ...{ layers, cut, labelCount: labels.length, seed: options.seed },
          ...{ dropout: options.dropout, labelSmoothing: options.labelSmoothing },
        },
      );
      x.dispose();
      if (!Number.isFinite(loss)) {
        throw new Error(
          `${name}: the loss is ${loss}: training has diverged; try a lower learning rate`,
        );
      }
      parameters.average(global);
      step += 1;
      lossSum += loss * drawn.length;
      rightSum += right;
      seen += drawn.length;
      reporter.update(seen, { loss: lossSum / seen, accuracy: rightSum / seen });
      const stop = context.signal?.aborted ?? false;
      const due = performance.now() - savedAt > options.checkpointMinutes * 60_000;
      if (stop || due) await save(false);
      if (stop) {
        await next?.then(
          (unused) => unused.dispose(),
          () => {},
        );
        throw new Interrupted();
      }
    }
    reporter.end();
  };

  try {
    while (epoch < settings.epochs && !(best && epoch - best.epoch >= options.patience)) {
      await trainEpoch();
      reporter.start(`${name} validation`, context.validation.length);
      const logits = await predictLogits(tf, {
        ...{ layers, cut, batch, weights: parameters.averaged, source: context.source },
        examples: context.validation,
        onProgress: (done) => reporter.update(done),
        signal: context.signal,
      }).catch(async (error: Error) => {
        if (!context.signal?.aborted) throw error;
        await save(false); // all steps are done: what is left of this epoch is to be judged
        throw new Interrupted();
      });
      reporter.end();
      const figures = judge(labels, context.validation, logits);
      epoch += 1;
      history.push({
        stage: name,
        epoch,
        loss: lossSum / seen,
        accuracy: rightSum / seen,
        ...figures,
      });
      reporter.note(describe(history.at(-1) as EpochRecord));
      [step, lossSum, rightSum, seen] = [0, 0, 0, 0];
      if (!best || figures.validationMacroF1 > best.macroF1) {
        best = { epoch, macroF1: figures.validationMacroF1 };
        bestWeights = await download(parameters.averaged);
      }
      await save(false);
      if (context.signal?.aborted) throw new Interrupted();
    }
    await save(true);
    return { weights: bestWeights, macroF1: best?.macroF1 ?? 0, history };
  } finally {
    parameters.dispose();
    rmsprop.dispose();
  }
}
