import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelBundle } from '../../../src/inference/bundle.ts';
import { type Engine, PIXEL_BYTES } from '../../../src/inference/engine.ts';
import { createReferenceEngine } from '../../../src/inference/engines/reference.ts';
import { createTfjsNodeEngine } from '../../../src/inference/engines/tfjs-node.ts';
import { inceptionV3 } from '../../../src/inference/network/inceptionv3.ts';
import { encodeSafetensors, readSafetensors } from '../../../src/inference/network/safetensors.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { softmax } from '../../../src/inference/scores.ts';
import { loadTfjs } from '../../../src/inference/tfjs.ts';
import { readDataset, TRAINING_LIMITS } from '../../../src/training/data/dataset.ts';
import { random } from '../../../src/training/random.ts';
import { initialWeights } from '../../../src/training/stages/initial-weights.ts';

const LABELS = ['a', 'b', 'c'];
const REPEATS = 1000;

let dir = '';
let bundle: ModelBundle;
let engine: Engine;
const photos: Uint8Array[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'retagger-tfjs-'));
  const base = await readSafetensors(
    '../shared/weights/inceptionv3-imagenet-folded.f16.safetensors',
  );
  const bytes = encodeSafetensors(initialWeights(inceptionV3(LABELS.length), base, 1), 'F16');
  await writeFile(join(dir, 'w.safetensors'), bytes);
  const hash = createHash('sha256').update(bytes).digest('hex');
  bundle = {
    ...{ dir, id: 'test@1' },
    manifest: {
      ...{ format: 1, name: 'test', version: '1', labels: LABELS, temperature: 1 },
      thresholds: { a: 0, b: 0, c: 0 },
      files: { weights: 'w.safetensors', int8: 'none.onnx' },
      sha256: { 'w.safetensors': hash },
    },
  };
  const dataset = await readDataset('../shared/photos/test');
  for (const { file } of random(1, 'photos')
    .shuffle([...dataset.photos])
    .slice(0, 20)) {
    photos.push((await preprocess(join(dataset.dir, file), TRAINING_LIMITS)).pixels);
  }
  engine = await createTfjsNodeEngine(bundle, { threads: 2 });
});
afterAll(async () => {
  await engine.close();
  await rm(dir, { recursive: true, force: true });
});

describe('tfjs-node', () => {
  test('agrees with onnxruntime in f32 within 1e-3 a score', async () => {
    const reference = await createReferenceEngine(bundle, { threads: 2 });
    for (const pixels of photos) {
      const ours = softmax(await engine.infer(pixels));
      const theirs = softmax(await reference.infer(pixels));
      for (const [k, score] of ours.entries()) {
        expect(Math.abs(score - (theirs[k] as number))).toBeLessThan(1e-3);
      }
    }
    await reference.close();
  });

  test(`leaves no tensor behind over ${REPEATS} photos`, { timeout: 900_000 }, async () => {
    const tf = await loadTfjs();
    await engine.infer(photos[0] as Uint8Array);
    const before = tf.memory();
    const resident: number[] = [];
    for (let i = 0; i < REPEATS; i++) {
      await engine.infer(photos[i % photos.length] as Uint8Array);
      if (i % 100 === 99) resident.push(process.memoryUsage().rss);
    }
    const after = tf.memory();
    expect(after.numTensors).toBe(before.numTensors);
    expect(after.numBytes).toBe(before.numBytes);
    // Native memory settles: the second half of the run holds no more than the first half's peak
    // and a margin of one photo's largest outputs.
    const half = resident.length / 2;
    const grown = Math.max(...resident.slice(half)) - Math.max(...resident.slice(0, half));
    expect(grown).toBeLessThan(32 * 1024 * 1024);
  });

  test('refuses pixels of another size, and everything once closed', async () => {
    await expect(engine.infer(new Uint8Array(PIXEL_BYTES - 1))).rejects.toThrow(RangeError);
    const tf = await loadTfjs();
    const before = tf.memory().numTensors;
    const other = await createTfjsNodeEngine(bundle, { threads: 2 });
    await other.close();
    await other.close();
    expect(tf.memory().numTensors).toBe(before);
    await expect(other.infer(photos[0] as Uint8Array)).rejects.toThrow(/closed/);
  });
});
