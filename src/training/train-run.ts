import type { Tfjs } from '../inference/tfjs.ts';
import type { TrainOptions } from './options.ts';
import type { Plan } from './prepare.ts';
import type { TrainReporter } from './reporter.ts';

/** What every part of one training run works with. */
export interface TrainRun {
  readonly tf: Tfjs;
  readonly plan: Plan;
  readonly options: TrainOptions;
  readonly reporter: TrainReporter;
  readonly signal?: AbortSignal | undefined;
}
