import type { Config } from '../../config/schema.ts';
import type { Metrics } from '../../daemon/metrics.ts';
import type { Health, Pipeline } from '../../daemon/ports.ts';
import type { TaggerInfo } from '../../inference/tagger.ts';
import type { Logger } from '../../log.ts';

/** What the HTTP door is given by the composition root. */
export interface HttpDoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
  readonly metrics: Metrics;
  readonly health: () => Record<string, Health>;
  readonly info: () => TaggerInfo | null;
}
