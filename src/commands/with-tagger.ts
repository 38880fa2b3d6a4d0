import type { Config } from '../config/schema.ts';
import type { EngineChoice } from '../inference/engine.ts';
import { createTagger } from '../inference/supervisor/supervisor.ts';
import type { Tagger, TaggerInfo, TaggerLimits } from '../inference/tagger.ts';
import { createLogger } from '../log.ts';
import { exitOnSignals } from './exit-on-signals.ts';

const LIMITS: readonly (keyof TaggerLimits)[] = [
  'upload_bytes',
  'pixels',
  'memory_bytes',
  'photo_seconds',
];

/** Configuration keys that matter to a command that tags without the daemon. */
export const TAGGER_KEYS = [
  'engine',
  'model.dir',
  'log.level',
  ...LIMITS.map((key) => `limits.${key}`),
];

/** Runs `work` with a started tagger and stops it afterwards, also on Ctrl-C. */
export async function withTagger<T>(
  config: Config,
  engine: EngineChoice,
  work: (tagger: Tagger, info: TaggerInfo) => Promise<T>,
): Promise<T> {
  const { level } = config.log;
  const tagger = createTagger({
    modelDir: config.model.dir,
    engine,
    limits: config.limits,
    // Standard output is data, and a warning about the first of a thousand photos is enough.
    log: await createLogger({ level: level === 'info' ? 'warn' : level, fd: 2 }),
  });
  // The worker ends with this process.
  const ignoreSignals = exitOnSignals();
  try {
    return await work(tagger, await tagger.start());
  } finally {
    ignoreSignals();
    await tagger.stop();
  }
}
