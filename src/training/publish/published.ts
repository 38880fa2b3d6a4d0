import type { Manifest } from '../../inference/bundle.ts';
import type { EpochRecord } from '../checkpoint.ts';
import type { Evaluation } from '../metrics.ts';

/** `learning.json`: how a model came to be, and what it scored on validation. */
export interface Published {
  readonly dir: string;
  readonly manifest: Manifest;
  /** The stage whose weights were taken. */
  readonly stage: string;
  readonly history: readonly EpochRecord[];
  /** Before and after calibration. */
  readonly raw: Evaluation;
  readonly validation: Evaluation;
  /** Why it may be no good; empty for most. */
  readonly doubts: readonly string[];
}
