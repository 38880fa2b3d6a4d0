import { hash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EXPORT_DIR, type Manifest } from '../../inference/bundle.ts';
import { uploadWeights } from '../../inference/network/forward.ts';
import { LOGITS } from '../../inference/network/inceptionv3.ts';
import {
  encodeSafetensors,
  type Tensor as HostTensor,
  type Tensors,
} from '../../inference/network/safetensors.ts';
import { softmax } from '../../inference/scores.ts';
import type { EpochRecord } from '../checkpoint.ts';
import type { TrainContext } from '../context.ts';
import type { Example } from '../examples/examples.ts';
import { examplePixels } from '../examples/features.ts';
import { exportInt8 } from '../export/int8-graph.ts';
import { writeFileSafely } from '../files.ts';
import { evaluateScores } from '../metrics.ts';
import { random } from '../random.ts';
import { weightNames } from '../stages/parameters.ts';
import { predictLogits } from '../stages/predict.ts';
import { type Calibration, calibrated, chooseThresholds, fitCalibration } from './calibration.ts';
import { doubts } from './doubts.ts';
import { exchange } from './exchange.ts';
import { modelCard } from './model-card.ts';
import { drawPlots } from './plots.ts';
import type { Published } from './published.ts';

const WEIGHTS_FILE = 'weights.f16.safetensors';
const INT8_FILE = 'model.int8.onnx';
const CALIBRATION_PHOTOS = 240;
/** Small, so that a run stops soon also where the whole network is computed. */
const CALIBRATION_BATCH = 16;

/** Photos for the quantiser: the same number of each class. */
function calibrationExamples({ plan, options }: TrainContext): Example[] {
  const stream = random(options.seed, 'int8');
  const each = Math.ceil(CALIBRATION_PHOTOS / plan.dataset.labels.length);
  return plan.dataset.labels.flatMap((_, label) =>
    stream
      .shuffle(plan.split.train.filter((photo) => photo.label === label))
      .slice(0, each)
      .map((photo) => ({ photo, variant: 0 })),
  );
}

async function* pixelsOf(context: TrainContext, examples: readonly Example[]) {
  for (const [i, example] of examples.entries()) {
    context.signal?.throwIfAborted();
    yield await examplePixels(context.plan.dataset, example, context.options.seed);
    context.reporter.update(i + 1);
  }
}

/** The bias goes into the last layer: engines then know of the temperature only. */
function foldBias(weights: Tensors, { temperature, bias }: Calibration): Map<string, HostTensor> {
  const name = `${LOGITS}/bias`;
  const old = weights.get(name) as HostTensor;
  const data = old.data.map((value, k) => value + temperature * (bias[k] as number));
  return new Map([...weights, [name, { shape: old.shape, data }]]);
}

/** Calibrates the weights on the validation photos and writes a complete model folder. */
export async function publish(
  context: TrainContext,
  weights: Tensors,
  stage: { readonly name: string; readonly cut: string },
  history: readonly EpochRecord[],
): Promise<Published> {
  const { tf, plan, options, sources, reporter, signal } = context;
  const { labels } = plan.dataset;
  const truth = plan.validation.map(({ photo }) => photo.label);
  const head = new Map(
    weightNames(plan.layers, stage.cut).map((n) => [n, weights.get(n) as HostTensor]),
  );
  const uploaded = uploadWeights(tf, head);
  reporter.start('calibration', plan.validation.length);
  const logits = await predictLogits(tf, {
    ...{ layers: plan.layers, weights: uploaded, cut: stage.cut, signal },
    batch: Math.min(options.batch, CALIBRATION_BATCH),
    ...{ examples: plan.validation, source: sources.of(stage.cut) },
    onProgress: (done) => reporter.update(done),
  }).finally(() => tf.dispose([...uploaded.values()]));
  reporter.end();
  const calibration = fitCalibration(logits, truth, options.biasCorrection);
  const scores = logits.map((row) => calibrated(row, calibration));
  const raw = evaluateScores(
    labels,
    truth,
    logits.map((row) => softmax(row)),
  );
  const validation = evaluateScores(labels, truth, scores);

  const final = foldBias(weights, calibration);
  const files = new Map<string, Uint8Array>([[WEIGHTS_FILE, encodeSafetensors(final, 'F16')]]);
  const chosen = calibrationExamples(context);
  reporter.start('int8', chosen.length);
  files.set(
    INT8_FILE,
    await exportInt8({
      layers: plan.layers,
      weights: final,
      calibration: pixelsOf(context, chosen),
    }),
  );
  reporter.end();
  const manifest: Manifest = {
    format: 1,
    ...{ name: options.name, version: options.version, labels: [...labels] },
    thresholds: chooseThresholds(labels, scores, truth),
    temperature: calibration.temperature,
    files: { weights: WEIGHTS_FILE, int8: INT8_FILE },
    sha256: Object.fromEntries([...files].map(([name, bytes]) => [name, hash('sha256', bytes)])),
  };
  signal?.throwIfAborted();
  const staging = join(options.out, EXPORT_DIR);
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  const published = {
    dir: options.out,
    manifest,
    stage: stage.name,
    history,
    raw,
    validation,
    doubts: doubts(
      validation,
      history.filter((record) => record.stage === stage.name),
    ),
  };
  for (const [name, bytes] of files) await writeFileSafely(join(staging, name), bytes);
  await writeFileSafely(join(staging, 'MODEL_CARD.md'), modelCard(plan, options, published));
  const { dir: _, manifest: __, ...learning } = published;
  await writeFileSafely(join(staging, 'learning.json'), `${JSON.stringify(learning, null, 1)}\n`);
  await drawPlots({ ...published, dir: staging }).catch((error: Error) =>
    reporter.note(`no plots: ${error.message}`),
  );
  await writeFileSafely(join(staging, 'model.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  signal?.throwIfAborted();
  await exchange(staging, options.out);
  return published;
}
