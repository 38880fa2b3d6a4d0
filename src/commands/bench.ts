import { join } from 'node:path';
import { Command } from 'commander';
import { measureEngine, type Round } from '../bench/measure-engine.ts';
import { drawPhotos } from '../bench/photos.ts';
import { type EngineFigures, engineTable, summarize } from '../bench/table.ts';
import { addConfigFlags, configFrom } from '../config/flags.ts';
import type { Config } from '../config/schema.ts';
import { ENGINE_NAMES, type EngineName } from '../inference/engine.ts';
import { autoOrder } from '../inference/engines.ts';
import { preprocess } from '../inference/preprocess.ts';
import { createLogger } from '../log.ts';
import { number } from './arguments.ts';
import { exitOnSignals } from './exit-on-signals.ts';
import { checkOutputs, writeOutput } from './outputs.ts';
import { expandPhotos } from './photo-files.ts';
import { createProgress } from './progress.ts';
import { scratchFolder } from './scratch-folder.ts';
import { TAGGER_KEYS } from './with-tagger.ts';

interface Options {
  readonly photos?: string;
  readonly count: number;
  readonly rounds: number;
  readonly json?: string;
}

const count = number(1, 999_999, true);

/** `retagger bench`: every engine that loads here, measured in turn. */
export function benchCommand(): Command {
  const command = new Command('bench')
    .description('measures every engine that loads on this box: ms a photo, photos/s, peak memory')
    .option('--photos <dir>', 'photos to tag; default: drawn ones of 2 megapixels')
    .option('--count <n>', 'photos in each round', count, 24)
    .option('--rounds <n>', 'rounds, engines in turn; the median counts', count, 3)
    .option('--json <file>', 'also write all figures as JSON');
  addConfigFlags(command, TAGGER_KEYS);
  return command.action((options: Options) =>
    bench(options, configFrom(command, { tolerant: true })),
  );
}

async function bench(options: Options, config: Config): Promise<void> {
  await checkOutputs({ '--json': options.json });
  const scratch = await scratchFolder('retagger-bench-');
  const ignoreSignals = exitOnSignals();
  try {
    const photos = await photosOf(options, config, scratch.path);
    const figures = await measureAll(options, config, photos, join(scratch.path, 'cache'));
    const table = engineTable(figures, await autoOrder());
    await writeOutput('--json', options.json, () => `${JSON.stringify(figures, null, 2)}\n`)
      // Last: it ends the process where nobody reads it.
      .finally(() => process.stdout.write(table));
    if (figures.every((engine) => 'reason' in engine)) process.exitCode = 1;
  } finally {
    ignoreSignals();
    scratch.remove();
  }
}

/** @throws Error that names a photo which cannot be read: that is no engine's fault. */
async function photosOf(
  { photos, count }: Options,
  { limits }: Config,
  scratch: string,
): Promise<string[]> {
  const found = photos === undefined ? await drawPhotos(scratch) : await expandPhotos([photos]);
  if (found.length === 0) throw new Error(`there are no photos in ${photos}`);
  for (const photo of found.slice(0, count)) {
    await preprocess(photo, { pixels: limits.pixels, bytes: limits.upload_bytes }).catch(
      ({ message }: Error) => Promise.reject(new Error(`${photo}: ${message}`)),
    );
  }
  return Array.from({ length: count }, (_, index) => found[index % found.length] as string);
}

/**
 * Engines in turn within each round, so that a busy moment of the box hits none of them alone.
 * @param cacheDir as the daemon has one; here each engine has its own below it.
 */
async function measureAll(
  options: Options,
  config: Config,
  photos: readonly string[],
  cacheDir: string,
): Promise<EngineFigures[]> {
  const names: readonly EngineName[] =
    config.engine === 'auto' ? ENGINE_NAMES : [config.engine as EngineName];
  const rounds = new Map<EngineName, Round[]>(names.map((name) => [name, []]));
  const reasons = new Map<EngineName, string>();
  const log = await createLogger({ level: 'fatal', fd: 2 });
  const progress = createProgress('measuring', options.rounds * names.length);
  for (let round = 0; round < options.rounds; round++) {
    for (const engine of names) {
      if (!reasons.has(engine)) {
        try {
          const { limits } = config;
          const setup = { modelDir: config.model.dir, engine, limits, log };
          const own = { ...setup, cacheDir: join(cacheDir, engine) };
          rounds.get(engine)?.push(await measureEngine(own, photos));
        } catch (error) {
          reasons.set(engine, (error as Error).message);
        }
      }
      progress.advance();
    }
  }
  progress.stop();
  return names.map((engine) => {
    const reason = reasons.get(engine);
    return reason === undefined ? summarize(engine, rounds.get(engine) ?? []) : { engine, reason };
  });
}
