import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { Command, Option } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { isIn, overlap } from '../files/real-path.ts';
import { BUNDLED_MODEL_DIR, fitsManifest } from '../inference/bundle.ts';
import { heldBy } from '../training/begin.ts';
import { claimFolders } from '../training/claim.ts';
import { DatasetError } from '../training/data/dataset.ts';
import { TRAIN_DEFAULTS as D, type TrainOptions } from '../training/options.ts';
import { cutBelow } from '../training/prepare.ts';
import { metricsTable } from '../training/publish/model-card.ts';
import { Interrupted } from '../training/stages/stage.ts';
import { train } from '../training/train.ts';
import { checked, file, folder, number } from './arguments.ts';
import { createTrainReporter } from './train-reporter.ts';

const regex = checked((text) => new RegExp(text));
const unfreeze = checked((text) => text === 'none' || cutBelow(text));

const manifest = (key: 'name' | 'version') =>
  checked((text) => {
    if (!fitsManifest(key, text)) throw new Error('model.json cannot have this.');
  });

const list = (text: string): string[] => text.split(',').map((label) => label.trim());

type Flags = Readonly<Record<string, unknown>>;

async function toOptions(flags: Flags): Promise<TrainOptions> {
  const { headEpochs, headLr, epochs, lr, base, notes, modelName, modelVersion, ...rest } = flags;
  return {
    ...D,
    ...(rest as Partial<TrainOptions>),
    name: modelName as string,
    version: modelVersion as string,
    base: (base as string | undefined) ?? BUNDLED_MODEL_DIR,
    ...(notes ? { notes: await readFile(notes as string, 'utf8') } : {}),
    head: { epochs: (headEpochs ?? epochs) as number, learningRate: (headLr ?? lr) as number },
    full: { epochs: epochs as number, learningRate: lr as number },
  } as TrainOptions;
}

/** @throws ConfigError where photos and model would mix, or hours of training would be thrown away. */
async function checkOut({ data, out, cache, base, resume, overwrite }: Flags): Promise<void> {
  if (overlap(String(data), String(out))) {
    throw new ConfigError(`--out ${out} must not hold or lie in --data ${data}`);
  }
  // Its files would be faults among the photos when the run is resumed.
  if (cache !== undefined && isIn(String(cache), String(data))) {
    throw new ConfigError(`--cache ${cache} must not lie in --data ${data}`);
  }
  if (base !== undefined && isIn(String(base), String(out))) {
    throw new ConfigError(`--base ${base} lies in --out ${out} and would be replaced`);
  }
  if (resume || overwrite) return;
  const what = await heldBy(String(out));
  if (what === null) return;
  (await claimFolders({ '--out': String(out) }))(); // one that still runs was not stopped
  throw new ConfigError(`--out ${out} holds ${what}; --overwrite begins anew`);
}

async function action(flags: Flags): Promise<void> {
  await checkOut(flags);
  const reporter = createTrainReporter();
  const controller = new AbortController();
  const stop = () => {
    reporter.note('stopping after this step; continue with --resume');
    controller.abort();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const { dir, validation, stage, doubts } = await train(
      await toOptions(flags),
      reporter,
      controller.signal,
    );
    process.stdout.write(`${metricsTable(validation)}\n\nStage "${stage}" is in ${dir}\n`);
    for (const doubt of doubts) process.stderr.write(`WARNING: ${doubt}\n`);
  } catch (error) {
    reporter.end();
    const aborted = error instanceof Interrupted || controller.signal.aborted;
    const { name, message } = error as Error;
    const said = name === 'AbortError' ? 'stopped; --resume goes on from what is done' : message;
    process.stderr.write(`retagger train: ${said}\n`);
    process.exitCode = aborted ? 130 : error instanceof DatasetError ? 2 : 1;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** `retagger train`: labelled photos in, model folder out. */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('two-stage transfer learning on a folder of labelled photos (DIR/<label>/*)')
    .requiredOption('--data <dir>', 'labelled photos, one folder a label', folder)
    .requiredOption(
      '--out <dir>',
      'model folder to make; checkpoints lie in .training there',
      folder,
    )
    .option('--resume', 'continue a run that was stopped', D.resume)
    .option('--overwrite', 'begin anew where --out holds a model or a run that was stopped');
  const add = (flags: string, text: string, parse: (value: string) => unknown, value?: unknown) =>
    command.addOption(new Option(flags, text).argParser(parse).default(value));
  add('--model-name <name>', 'name in model.json', manifest('name'), D.name);
  add('--model-version <version>', 'version in model.json', manifest('version'), D.version);
  add('--notes <file>', 'Markdown for the model card: where the photos come from', file);
  add(
    '--base <file>',
    'base weights (safetensors), or a model folder; default: the bundled one',
    String,
  );
  add('--labels <list>', 'labels in the order of the model, with commas; default: sorted', list);
  add('--groups <csv>', 'columns file, source: photos of one source stay together', String);
  add('--group-by <regex>', 'on file names; what it captures names the home', regex);
  add('--validation <share>', 'share of photos for validation', number(0.01, 0.5), D.validation);
  add('--corrections <csv>', 'columns file, label: labels to correct; empty: leave out', String);
  add(
    '--focus <regex>',
    'on file names: photos like those to be tagged; only these validate',
    regex,
  );
  add('--focus-weight <x>', 'of such a photo in training', number(1, 100), D.focusWeight);
  add('--weights <csv>', 'columns file, weight: photos that count for more than others', String);
  add('--epochs <n>', 'at most so many epochs a stage', number(1, 1000, true), D.full.epochs);
  add(
    '--head-epochs <n>',
    'in the first stage; 0: skip it; default: --epochs',
    number(0, 1000, true),
  );
  add('--lr <rate>', 'learning rate', number(1e-7, 1), D.full.learningRate);
  add('--head-lr <rate>', 'in the first stage; default: --lr', number(1e-7, 1));
  add('--unfreeze <layer>', 'second stage from: mixed0 … mixed8, all, none', unfreeze, D.unfreeze);
  add('--batch <n>', 'photos a step', number(1, 1024, true), D.batch);
  add('--dropout <rate>', 'before the last layer', number(0, 0.95), D.dropout);
  add('--rho <rho>', "RMSProp's decay", number(0, 0.9999), D.rho);
  add(
    '--patience <n>',
    'epochs without progress before a stage ends',
    number(1, 1000, true),
    D.patience,
  );
  command.addOption(
    new Option('--balance <how>', 'classes in an epoch: equal (under-sampling), root, none')
      .choices(['equal', 'root', 'none'])
      .default(D.balance),
  );
  add('--spread <x>', '0: all photos alike; 1: all homes alike', number(0, 1), D.spread);
  add('--examples <n>', 'augmented examples a class on disk', number(1, 1e6, true), D.examples);
  add(
    '--label-smoothing <x>',
    'share of the truth spread over all',
    number(0, 0.5),
    D.labelSmoothing,
  );
  command.addOption(
    new Option('--schedule <how>', 'learning rate over the epochs')
      .choices(['constant', 'cosine'])
      .default(D.schedule),
  );
  add('--warmup <epochs>', 'epochs over which the rate rises', number(0, 100), D.warmup);
  add('--ema <decay>', 'moving average of the weights; 0: none', number(0, 0.99999), D.ema);
  add('--base-share <x>', 'of the base weights in the result', number(0, 0.99), D.baseShare);
  command.option('--no-augment', 'train on the photos as they are');
  command.option('--no-bias-correction', 'calibrate by temperature alone');
  add('--seed <n>', 'of everything random', number(0, 2 ** 31, true), D.seed);
  add('--threads <n>', 'for TensorFlow', number(1, cpus().length, true));
  add('--checkpoint-minutes <n>', 'between checkpoints', number(0.05, 1440), D.checkpointMinutes);
  add('--cache <dir>', 'features of frozen layers; default: OUT/.training/features', folder);
  return command.action(action);
}
