import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../daemon/metrics.ts';
import type { Health, Pipeline } from '../../daemon/ports.ts';
import type { TaggerInfo } from '../../inference/tagger.ts';
import type { Logger } from '../../log.ts';

/** Patience with clients, in milliseconds. */
export interface Timings {
  /** Until the headers are there. */
  readonly headers: number;
  /** Until the whole request is there. */
  readonly request: number;
  /** An upload from which nothing comes for so long is given up. */
  readonly stall: number;
  /** A connection on which nothing moves is closed; longer than `stall`, which has an answer. */
  readonly idle: number;
  /** A caller waits no longer for the outcome; the photo stays in the queue. */
  readonly answer: number;
  /** The rest of a refused upload is read and thrown away for so long. */
  readonly linger: number;
  /** How often event streams show that they live. */
  readonly heartbeat: number;
  /** How often `headers` and `request` are looked at. */
  readonly check: number;
}

export const TIMINGS: Timings = {
  headers: 15_000,
  request: 300_000,
  stall: 30_000,
  idle: 60_000,
  answer: 300_000,
  linger: 30_000,
  heartbeat: 15_000,
  check: 5000,
};

/** What the HTTP door is given by the composition root. */
export interface HttpDoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
  readonly metrics: Metrics;
  readonly health: () => Record<string, Health>;
  readonly info: () => TaggerInfo | null;
}
