import { expect, test } from 'vitest';
import { forward, uploadWeights } from '../../src/inference/network/forward.ts';
import { inceptionV3, MISSING_KERNELS } from '../../src/inference/network/inceptionv3.ts';
import { readSafetensors } from '../../src/inference/network/safetensors.ts';
import { loadTfjs, type Tensor4D } from '../../src/inference/tfjs.ts';
import { readDataset } from '../../src/training/data/dataset.ts';
import { plainExamples } from '../../src/training/examples/examples.ts';
import { exampleBatch } from '../../src/training/examples/features.ts';
import { HEAD_CUT } from '../../src/training/prepare.ts';
import { random } from '../../src/training/random.ts';
import { initialWeights, normaliseFresh } from '../../src/training/stages/initial-weights.ts';
import { preActivationStd } from './statistics.ts';

const BASE = '../shared/weights/inceptionv3-imagenet-folded.f16.safetensors';
const PHOTOS = 48;
const BATCH = 16;

/**
 * A wrong layout or order of the weights shows at once: on real photos every convolution's output
 * before ReLU has a standard deviation near 1, wrong ones about 0.2.
 */
test('each convolution of the ImageNet weights has outputs of standard deviation near 1', async () => {
  const tf = await loadTfjs();
  const layers = inceptionV3(6);
  const base = await readSafetensors(BASE);
  const dataset = await readDataset('../shared/photos/train');
  const shuffled = random(5, 'photos').shuffle([...dataset.photos]);
  const chosen = plainExamples(
    dataset.labels.flatMap((_, k) => shuffled.filter(({ label }) => label === k).slice(0, 8)),
  );
  const batch = (at: number) => exampleBatch(tf, dataset, chosen.slice(at, at + BATCH), 1);

  const weights = initialWeights(layers, base, 1);
  const frozen = uploadWeights(tf, weights);
  const x = await batch(0);
  const features = tf.tidy(() => forward(tf, layers, frozen, x, HEAD_CUT) as Tensor4D);
  normaliseFresh(tf, layers, weights, base, HEAD_CUT, features);
  tf.dispose([x, features, ...frozen.values()]);

  const uploaded = uploadWeights(tf, weights);
  const medians = await preActivationStd(
    tf,
    layers,
    uploaded,
    (async function* () {
      for (let at = 0; at < PHOTOS; at += BATCH) {
        const one = await batch(at);
        yield one;
        one.dispose();
      }
    })(),
  );
  tf.dispose([...uploaded.values()]);
  expect(medians.size).toBe(94);
  // From mixed10 on, and behind conv2d_82, outputs depend on kernels that are random here.
  const pretrained = [...medians].filter(([layer]) => Number(layer.slice('conv2d_'.length)) <= 81);
  for (const [layer, std] of pretrained) {
    expect(std, layer).toBeGreaterThan(0.75);
    expect(std, layer).toBeLessThan(1.15);
  }
  // 0.85 to 1.10 is the weights' own figure; a few layers vary more from one set of photos to another.
  const near = pretrained.filter(([, std]) => std >= 0.85 && std <= 1.1);
  expect(near.length).toBeGreaterThanOrEqual(75);
  for (const layer of MISSING_KERNELS) {
    expect(medians.get(layer), layer).toBeGreaterThan(0.85);
    expect(medians.get(layer), layer).toBeLessThan(1.15);
  }
});
