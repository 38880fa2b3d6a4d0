import { bestEpoch } from '../checkpoint.ts';
import type { Evaluation } from '../metrics.ts';
import type { TrainOptions } from '../options.ts';
import type { Plan } from '../prepare.ts';
import type { Published } from './published.ts';

/** Text in a table's cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|');

const fixed = (value: number, digits = 3): string => value.toFixed(digits);

/** Precision, recall and F1 per class as a Markdown table. */
export function metricsTable({ perClass, macroF1, accuracy }: Evaluation): string {
  const rows = perClass.map(
    (m) =>
      `| ${cell(m.label)} | ${fixed(m.precision)} | ${fixed(m.recall)} | ${fixed(m.f1)} | ${m.support} |`,
  );
  return [
    '| class | precision | recall | F1 | photos |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `Macro F1 ${fixed(macroF1)}, accuracy ${fixed(accuracy)}.`,
  ].join('\n');
}

function photosTable(plan: Plan): string {
  const of = (photos: Plan['split']['train'], label: number) =>
    photos.filter((photo) => photo.label === label).length;
  const rows = plan.dataset.labels.map(
    (label, k) =>
      `| ${cell(label)} | ${of(plan.split.train, k)} | ${of(plan.split.validation, k)} |`,
  );
  return ['| class | training | validation |', '| --- | --- | --- |', ...rows].join('\n');
}

/** MODEL_CARD.md: only what this run knows; `options.notes` adds what a person knows. */
export function modelCard(plan: Plan, options: TrainOptions, published: Published): string {
  const { manifest, raw, validation, history, stage } = published;
  const epochs = (name: string) => history.filter((record) => record.stage === name).length;
  const best = bestEpoch(history.filter((record) => record.stage === stage));
  const { head, full } = options;
  const trained = history.length > 0;
  const twoStages = epochs('full') > 0;
  const steps = [
    head.epochs > 0
      ? `${twoStages ? 'Trained in two stages' : 'Stage 1 alone was trained'}: the head and the last two blocks on frozen features (${epochs('head')} epochs)`
      : `${trained ? 'Trained on from' : 'Calibrated and exported, not trained, by this run:'} a model with a head for these labels`,
    ...(twoStages ? [`everything from \`${options.unfreeze}\` up (${epochs('full')} epochs)`] : []),
  ];
  const rates = [
    ...(head.epochs > 0 ? [`${head.learningRate} (head)`] : []),
    ...(twoStages ? [`${full.learningRate} (second stage)`] : []),
  ];
  const training = [
    `RMSProp, ρ ${options.rho}, batch ${options.batch}, dropout ${options.dropout}`,
    `learning rate ${rates.join(', ')}, ${options.schedule}`,
    `classes balanced: ${options.balance}; groups spread: ${options.spread}`,
    ...(options.focus
      ? [`photos named ${options.focus} weigh ${options.focusWeight} in training`]
      : []),
    ...(options.weights ? ['some photos weighted by a file'] : []),
    options.augment ? `augmented, ${options.examples} examples a class` : 'photos not augmented',
    `label smoothing ${options.labelSmoothing}, weight average ${options.ema || 'none'}`,
    ...(options.baseShare > 0 ? [`${options.baseShare} of the base weights in the result`] : []),
  ];
  const settings = [
    ...(trained ? training : []),
    ...(options.focus ? [`validated on photos named ${options.focus} alone`] : []),
    ...(options.corrections ? ['some labels corrected by a file'] : []),
    `seed ${options.seed}`,
  ];
  return `# ${manifest.name}@${manifest.version}

InceptionV3 at 299×299 with a head of 256 units. ${steps.join('; then ')}.
${best ? `Shipped: stage "${stage}", epoch ${best.epoch}, the best by macro F1 on validation.` : 'The weights are those given.'}

Labels: ${manifest.labels.join(', ')}.
${options.notes ? `\n${options.notes.trim()}\n` : ''}
${published.doubts.map((doubt) => `**Warning: ${doubt}.**\n\n`).join('')}## Photos of this run

Split by home or site, not by photo, as far as the groups were known.

${photosTable(plan)}

## Settings

${settings.map((line) => `- ${line}`).join('\n')}

## Validation

Chosen and calibrated on these photos, so a little optimistic.

${metricsTable(validation)}

Calibration: temperature ${fixed(manifest.temperature)}${
    options.biasCorrection ? ' and a bias per class' : ''
  }. Expected calibration error ${fixed(raw.ece)} before, ${fixed(validation.ece)} after; macro F1
${fixed(raw.macroF1)} before, ${fixed(validation.macroF1)} after. A photo whose best score is below its label's
threshold in \`model.json\` gets no tag.

${trained ? 'The learning curve is in `learning-curve.png`, the' : 'The'} confusion matrix in \`confusion.png\`, all figures in
\`learning.json\`.
`;
}
