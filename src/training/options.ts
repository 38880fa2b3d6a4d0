import type { Balance } from './examples/sampler.ts';
import type { ScheduleName } from './schedule.ts';

/** Settings of one stage. */
export interface StageOptions {
  readonly epochs: number;
  readonly learningRate: number;
}

/** All settings of a run; the defaults are the paper's where it names any. */
export interface TrainOptions {
  /** `DIR/<label>/*`. */
  readonly data: string;
  /** Model folder that is made; checkpoints and caches lie in `OUT/.training`. */
  readonly out: string;
  /** Base weights: safetensors with the names of `inceptionv3.ts`, or a model folder. */
  readonly base: string;
  readonly name: string;
  readonly version: string;
  readonly labels?: readonly string[];
  /** CSV with columns `file` and `source`. */
  readonly groups?: string;
  /** Regular expression on file names; what it captures names the home. */
  readonly groupBy?: string;
  /** Share of each class's photos for validation, 0..1. */
  readonly validation: number;
  /** CSV with columns `file` and `label`: corrected labels; without a label the photo is left out. */
  readonly corrections?: string;
  /**
   * Regular expression on file names of photos like those the model will see. Validation is drawn
   * from these alone, and each weighs `focusWeight` times as much in training.
   */
  readonly focus?: string;
  readonly focusWeight: number;
  /** CSV with columns `file` and `weight`: photos that count for more, or less, than others. */
  readonly weights?: string;
  readonly head: StageOptions;
  readonly full: StageOptions;
  /** First layer trained in the second stage: `mixed0` … `mixed8`, `all`, or `none` to skip it. */
  readonly unfreeze: string;
  /** Examples a step. */
  readonly batch: number;
  /** Dropout rate before the last layer, 0 up to 1. */
  readonly dropout: number;
  /** RMSProp's decay of the mean square, 0 up to 1. */
  readonly rho: number;
  /** Epochs without a better validation macro F1 after which a stage ends. */
  readonly patience: number;
  readonly balance: Balance;
  /** See `SamplerOptions`. */
  readonly spread: number;
  /** Augmented examples a class that are kept on disk, for each class. */
  readonly examples: number;
  /** False: the photos as they are, one variant each. */
  readonly augment: boolean;
  /** Share of the target that is spread over all labels, 0..1. */
  readonly labelSmoothing: number;
  readonly schedule: ScheduleName;
  /** Epochs, also parts of one, over which the learning rate rises linearly. */
  readonly warmup: number;
  /** Decay, a step, of the weights' exponential moving average, 0 up to 1; 0 for none. */
  readonly ema: number;
  /**
   * Share of the base weights in the result, 0..1: weights between those a finished model came with
   * and those it was trained on to do better on photos unlike the new ones (Wortsman et al. 2022,
   * "Robust fine-tuning of zero-shot models").
   */
  readonly baseShare: number;
  /** Also fits a bias per class on validation photos, to undo the balancing of classes. */
  readonly biasCorrection: boolean;
  readonly seed: number;
  readonly threads?: number;
  /** Minutes between checkpoints inside an epoch. */
  readonly checkpointMinutes: number;
  /** Markdown put into the model card: where the photos come from and what may be done with them. */
  readonly notes?: string;
  readonly resume: boolean;
  /** A model in `out` may be lost. */
  readonly overwrite?: boolean;
  /** Where features lie; default `OUT/.training/features`. */
  readonly cache?: string;
}

export const TRAIN_DEFAULTS = {
  name: 'retagger-custom',
  version: '1',
  validation: 0.1,
  focusWeight: 3,
  head: { epochs: 50, learningRate: 1e-4 },
  full: { epochs: 50, learningRate: 1e-4 },
  unfreeze: 'all',
  batch: 64,
  dropout: 0.5,
  rho: 0.9,
  patience: 5,
  balance: 'equal',
  spread: 0,
  examples: 2000,
  augment: true,
  labelSmoothing: 0,
  schedule: 'constant',
  warmup: 0,
  ema: 0,
  baseShare: 0,
  biasCorrection: true,
  seed: 1,
  checkpointMinutes: 5,
  resume: false,
} as const satisfies Partial<TrainOptions>;
