import type { Tensors } from '../../inference/network/safetensors.ts';
import type { Tensor } from '../../inference/tfjs.ts';
import { type EpochRecord, type Progress, prefixed, section } from '../checkpoint.ts';
import type { TrainContext } from '../context.ts';
import type { Example } from '../examples/examples.ts';
import type { Sampler } from '../examples/sampler.ts';
import type { StagePlan } from '../prepare.ts';
import type { RecordStore, Stored } from '../record-store.ts';
import { learningRate } from '../schedule.ts';
import { checkLoss, describe, judge } from './judge.ts';
import { createRmsProp, type RmsProp } from './optimizer.ts';
import { createParameters, download, type Parameters } from './parameters.ts';
import { predictLogits } from './predict.ts';
import { trainStep } from './step.ts';

/** Thrown after a checkpoint was written because the user asked to stop. */
export class Interrupted extends Error {
  constructor() {
    super('stopped; the checkpoint is complete');
    this.name = 'Interrupted';
  }
}

export interface StageContext extends TrainContext {
  readonly stage: StagePlan;
  readonly sampler: Sampler;
  /** Of the whole network, at this stage's start. */
  readonly weights: Tensors;
  readonly store: RecordStore<Progress>;
}

export interface StageResult {
  /** The trained layers' weights at the best epoch. */
  readonly weights: Tensors;
  readonly macroF1: number;
  readonly history: readonly EpochRecord[];
}

/**
 * Trains the layers above the cut and keeps their best weights by validation macro F1.
 * @param earlier epochs of the stages before.
 * @param from where a broken run of the same stage stood.
 * @throws Interrupted once the signal is aborted.
 */
export async function runStage(
  context: StageContext,
  key: string,
  earlier: readonly EpochRecord[],
  from: Stored<Progress> | null,
): Promise<StageResult> {
  const { tf, options } = context;
  const rmsprop = await createRmsProp(tf, options.rho, section(from?.tensors, 'optimizer'));
  const stage = new Stage(context, key, rmsprop, earlier, from);
  try {
    while (stage.goesOn) {
      await stage.trainEpoch();
      await stage.judgeEpoch();
    }
    return stage.result;
  } finally {
    stage.dispose();
  }
}

/** A batch's output of the cut, on its way; null after the last of an epoch. */
type Drawn = Promise<Tensor> | null;

/** A stage under way: its network, its optimiser, and how far they are. */
class Stage {
  readonly #context: StageContext;
  readonly #key: string;
  readonly #parameters: Parameters;
  readonly #rmsprop: RmsProp;
  readonly #stepsPerEpoch: number;
  readonly #history: EpochRecord[];
  /** Complete ones. */
  #epoch: number;
  /** Of the epoch that has begun: steps that are complete, and their sums. */
  #sums: Pick<Progress, 'step' | 'lossSum' | 'rightSum' | 'seen'>;
  #best: Progress['best'];
  #bestWeights: Tensors;
  #savedAt = performance.now();

  constructor(
    context: StageContext,
    key: string,
    rmsprop: RmsProp,
    earlier: readonly EpochRecord[],
    from: Stored<Progress> | null,
  ) {
    const { tf, options } = context;
    const { layers } = context.plan;
    const { cut } = context.stage;
    const present = from ? section(from.tensors, 'now') : context.weights;
    const averages = from && options.ema > 0 ? section(from.tensors, 'average') : present;
    this.#context = context;
    this.#key = key;
    this.#rmsprop = rmsprop;
    this.#parameters = createParameters(tf, layers, cut, present, options.ema, averages);
    this.#stepsPerEpoch = Math.ceil(context.sampler(1).length / options.batch);
    this.#history = [...(from?.record.history ?? earlier)];
    this.#epoch = from?.record.epoch ?? 0;
    this.#sums = from?.record ?? NOTHING_YET;
    this.#best = from?.record.best ?? null;
    this.#bestWeights = this.#best ? section(from?.tensors, 'best') : new Map();
  }

  get goesOn(): boolean {
    const { stage, options } = this.#context;
    const isStale = this.#best !== null && this.#epoch - this.#best.epoch >= options.patience;
    return this.#epoch < options[stage.name].epochs && !isStale;
  }

  async trainEpoch(): Promise<void> {
    const { stage, sampler, options, reporter } = this.#context;
    const examples = sampler(this.#epoch + 1);
    const { epochs } = options[stage.name];
    reporter.start(`${stage.name} epoch ${this.#epoch + 1}/${epochs}`, examples.length);
    // The next batch is drawn while this one is learned from.
    let next = this.#draw(examples, this.#sums.step);
    while (next) {
      const { step } = this.#sums;
      const x = await next;
      next = this.#draw(examples, step + 1);
      this.#learn(x, this.#batch(examples, step));
      await this.#checkpoint(next);
    }
    reporter.end();
  }

  async judgeEpoch(): Promise<void> {
    const { tf, plan, stage, sources, options, reporter, signal } = this.#context;
    const { name, cut } = stage;
    const { layers, validation } = plan;
    reporter.start(`${name} validation`, validation.length);
    const logits = await predictLogits(tf, {
      ...{ layers, cut, weights: this.#parameters.averaged, batch: options.batch },
      ...{ examples: validation, source: sources.of(cut) },
      onProgress: (done) => reporter.update(done),
      signal,
    }).catch(async (error: Error) => {
      if (!signal?.aborted) throw error;
      await this.#save(); // all steps are done: what is left of this epoch is to be judged
      throw new Interrupted();
    });
    reporter.end();
    const { lossSum, rightSum, seen } = this.#sums;
    this.#epoch += 1;
    this.#sums = NOTHING_YET;
    const record: EpochRecord = {
      ...{ stage: name, epoch: this.#epoch, loss: lossSum / seen, accuracy: rightSum / seen },
      ...judge(plan.dataset.labels, validation, logits),
    };
    this.#history.push(record);
    reporter.note(describe(record));
    if (!this.#best || record.validationMacroF1 > this.#best.macroF1) {
      this.#best = { epoch: this.#epoch, macroF1: record.validationMacroF1 };
      this.#bestWeights = await download(this.#parameters.averaged);
    }
    await this.#save();
    if (signal?.aborted) throw new Interrupted();
  }

  /** After the last epoch, whose checkpoint is written. */
  get result(): StageResult {
    const macroF1 = this.#best?.macroF1 ?? 0;
    return { weights: this.#bestWeights, macroF1, history: this.#history };
  }

  dispose(): void {
    this.#parameters.dispose();
    this.#rmsprop.dispose();
  }

  #batch(examples: readonly Example[], step: number): readonly Example[] {
    const { batch } = this.#context.options;
    return examples.slice(step * batch, (step + 1) * batch);
  }

  #draw(examples: readonly Example[], step: number): Drawn {
    if (step >= this.#stepsPerEpoch) return null;
    const { sources, stage } = this.#context;
    const drawn = sources.of(stage.cut)(this.#batch(examples, step));
    drawn.catch(() => {}); // reported when its turn comes
    return drawn;
  }

  /** One step. @param x of these examples; disposed of. */
  #learn(x: Tensor, examples: readonly Example[]): void {
    const { tf, plan, stage, options, reporter } = this.#context;
    const { epochs, learningRate: peak } = options[stage.name];
    const step = this.#epoch * this.#stepsPerEpoch + this.#sums.step;
    const total = this.#stepsPerEpoch * epochs;
    const warmup = Math.round(options.warmup * this.#stepsPerEpoch);
    this.#rmsprop.setLearningRate(learningRate(options.schedule, peak, step, total, warmup));
    const truth = examples.map(({ photo }) => photo.label);
    const { optimizer } = this.#rmsprop;
    const { dropout, labelSmoothing, seed } = options;
    const how = { layers: plan.layers, cut: stage.cut, dropout, labelSmoothing, seed };
    const stream = `${stage.name}/${step}`;
    const { loss, right } = trainStep(tf, this.#parameters, optimizer, x, truth, stream, how);
    x.dispose();
    checkLoss(stage.name, loss);
    this.#parameters.average(step);
    const lossSum = this.#sums.lossSum + loss * examples.length;
    const rightSum = this.#sums.rightSum + right;
    const seen = this.#sums.seen + examples.length;
    this.#sums = { step: this.#sums.step + 1, lossSum, rightSum, seen };
    reporter.update(seen, { loss: lossSum / seen, accuracy: rightSum / seen });
  }

  /** Saves now and then, and before it stops where the user asks for that. */
  async #checkpoint(next: Drawn): Promise<void> {
    const { options, signal } = this.#context;
    const stop = signal?.aborted ?? false;
    const due = performance.now() - this.#savedAt > options.checkpointMinutes * 60_000;
    if (stop || due) await this.#save();
    if (!stop) return;
    await next?.then(
      (unused) => unused.dispose(),
      () => {},
    );
    throw new Interrupted();
  }

  async #save(): Promise<void> {
    const { stage, options, store } = this.#context;
    const { step, lossSum, rightSum, seen } = this.#sums;
    const progress: Progress = {
      ...{ key: this.#key, stage: stage.name, epoch: this.#epoch, step, lossSum, rightSum, seen },
      ...{ history: this.#history, best: this.#best },
    };
    const tensors = new Map([
      ...prefixed('now', await download(this.#parameters.trained)),
      ...(options.ema > 0 ? prefixed('average', await download(this.#parameters.averaged)) : []),
      ...prefixed('optimizer', await this.#rmsprop.save()),
      ...prefixed('best', this.#bestWeights),
    ]);
    await store.save(progress, tensors);
    this.#savedAt = performance.now();
  }
}

const NOTHING_YET = { step: 0, lossSum: 0, rightSum: 0, seen: 0 };
