import type { Sources } from './sources.ts';
import type { TrainRun } from './train-run.ts';

/** A run once its features can be read. */
export interface TrainContext extends TrainRun {
  readonly sources: Sources;
}
