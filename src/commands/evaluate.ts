import { join } from 'node:path';
import { Command } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { addConfigFlags, configFrom } from '../config/flags.ts';
import type { Config } from '../config/schema.ts';
import { loadBundle } from '../inference/bundle.ts';
import type { EngineChoice } from '../inference/engine.ts';
import type { TaggerInfo, Tagging } from '../inference/tagger.ts';
import { type Dataset, DatasetError, readDataset } from '../training/data/dataset.ts';
import { evenly } from '../training/examples/examples.ts';
import { argmax, type Evaluation, evaluateScores } from '../training/metrics.ts';
import { confusionMatrix } from '../training/plot/confusion-matrix.ts';
import { metricsTable } from '../training/publish/model-card.ts';
import { folder, number } from './arguments.ts';
import { confusionTable, mistakesCsv } from './evaluation-tables.ts';
import { checkApart, checkOutputs, writeOutput } from './outputs.ts';
import { createProgress } from './progress.ts';
import { tagFiles } from './tag-files.ts';
import { TAGGER_KEYS, withTagger } from './with-tagger.ts';

interface Options {
  readonly data: string;
  readonly json?: string;
  readonly plot?: string;
  readonly errors?: string;
  readonly limit?: number;
  readonly reference?: boolean;
}

/** One engine's answers; `null` for a photo it could not read. */
interface Run {
  readonly info: TaggerInfo;
  readonly taggings: readonly (Tagging | null)[];
  readonly unreadable: readonly { readonly file: string; readonly message: string }[];
}

/** `retagger evaluate`: labelled photos in, the paper's table out. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('precision, recall and F1 per class on labelled photos (DIR/<label>/*)')
    .requiredOption('--data <dir>', 'labelled photos, one folder a label', folder)
    .option('--json <file>', 'also write all figures as JSON')
    .option('--plot <file>', 'also draw the confusion matrix as PNG')
    .option(
      '--errors <file>',
      'also list the photos tagged wrong as CSV, the surest mistakes first',
    )
    .option('--limit <n>', 'at most so many photos, spread over all classes', number(1, 1e9, true))
    .option('--reference', 'also run the float32 reference and compare every score with it');
  addConfigFlags(command, TAGGER_KEYS);
  return command.action(async (options: Options) => {
    const config = configFrom(command, { tolerant: true });
    try {
      await evaluate(options, config);
    } catch (error) {
      throw error instanceof DatasetError ? new ConfigError(error.message) : error;
    }
  });
}

async function evaluate(options: Options, config: Config): Promise<void> {
  const { json, plot, errors } = options;
  const outputs = { '--json': json, '--plot': plot, '--errors': errors };
  await checkOutputs(outputs);
  const { manifest } = await loadBundle(config.model.dir);
  checkApart(outputs, options.data, manifest.labels);
  const all = await readDataset(options.data, manifest.labels, true);
  const dataset = { ...all, photos: evenly(all.photos, options.limit ?? all.photos.length) };
  const run = await runEngine(dataset, config, config.engine);
  const unreadable = run.unreadable.map(
    ({ file, message }) => `could not be read: ${file}: ${message}`,
  );
  if (run.taggings.every((tagging) => tagging === null)) {
    throw new Error(['no photo could be read', ...unreadable].join('\n'));
  }
  const scores = scoresOf(dataset, run);
  const evaluation = assess(dataset, scores);
  const abstained = run.taggings.filter((tagging) => tagging?.tag === null).length;
  const absent = evaluation.perClass.filter(({ support }) => support === 0);

  const out = [
    `${run.info.model} · ${run.info.engine} · ${dataset.photos.length} photos`,
    '',
    metricsTable(evaluation),
    ...(absent.length > 0
      ? [
          `Not in the macro F1, without a photo here that can be read: ${absent.map(({ label }) => label).join(', ')}.`,
        ]
      : []),
    `Expected calibration error ${evaluation.ece.toFixed(3)}; abstained (tag null) on ${abstained}.`,
    '',
    confusionTable(dataset.labels, evaluation.confusion),
    ...unreadable,
  ];
  const report: Record<string, unknown> = {
    model: run.info.model,
    engine: run.info.engine,
    photos: dataset.photos.length,
    labels: dataset.labels,
    ...evaluation,
    abstained,
    unreadable: run.unreadable,
  };
  if (options.reference) {
    const reference = await runEngine(dataset, config, 'reference');
    const agreement = compare(scores, scoresOf(dataset, reference));
    report.agreement = agreement;
    out.push(
      '',
      `Same top tag as the float32 reference on ${agreement.same} of ${agreement.photos} photos ` +
        `(${(100 * agreement.share).toFixed(2)} %); largest score difference ${agreement.maxDifference.toFixed(3)}, ` +
        `mean ${agreement.meanDifference.toFixed(4)}.`,
    );
  }
  if (run.unreadable.length > 0) process.exitCode = 1;
  const written = await Promise.allSettled([
    writeOutput('--json', json, () => `${JSON.stringify(report, null, 2)}\n`),
    writeOutput('--plot', plot, () => confusionMatrix(dataset.labels, evaluation.confusion)),
    writeOutput('--errors', errors, () => mistakesCsv(dataset, scores)),
  ]);
  // Last: it ends the process where nobody reads it.
  process.stdout.write(`${out.join('\n')}\n`);
  for (const output of written) if (output.status === 'rejected') throw output.reason;
}

async function runEngine(dataset: Dataset, config: Config, engine: EngineChoice): Promise<Run> {
  return withTagger(config, engine, async (tagger, info) => {
    const progress = createProgress(`evaluating ${info.engine}`, dataset.photos.length);
    const taggings: (Tagging | null)[] = [];
    const unreadable: { file: string; message: string }[] = [];
    const paths = dataset.photos.map((photo) => join(dataset.dir, photo.file));
    for await (const file of tagFiles(tagger, paths)) {
      if ('error' in file) unreadable.push({ file: file.path, message: file.error.message });
      taggings.push('error' in file ? null : file.tagging);
      progress.advance();
    }
    progress.stop();
    return { info, taggings, unreadable };
  });
}

/** A row a photo, in label order; null for one that could not be read. */
type Scores = readonly (readonly number[] | null)[];

const scoresOf = ({ labels }: Dataset, { taggings }: Run): Scores =>
  taggings.map((tagging) => tagging && labels.map((label) => tagging.scores[label] ?? 0));

/** Of the photos that could be read. */
function assess({ photos, labels }: Dataset, scores: Scores): Evaluation {
  const read = photos.filter((_, i) => scores[i]);
  return evaluateScores(
    labels,
    read.map(({ label }) => label),
    scores.filter((own) => own !== null),
  );
}

function compare(scores: Scores, reference: Scores) {
  let [photos, same, maxDifference, sum] = [0, 0, 0, 0];
  for (const [i, x] of scores.entries()) {
    const y = reference[i];
    if (!x || !y) continue;
    const difference = Math.max(...x.map((score, k) => Math.abs(score - (y[k] ?? 0))));
    photos += 1;
    same += argmax(x) === argmax(y) ? 1 : 0;
    maxDifference = Math.max(maxDifference, difference);
    sum += difference;
  }
  const share = photos === 0 ? 0 : same / photos;
  return { photos, same, share, maxDifference, meanDifference: photos === 0 ? 0 : sum / photos };
}
