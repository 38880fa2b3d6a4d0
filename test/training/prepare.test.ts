import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BUNDLED_MODEL_DIR } from '../../src/inference/bundle.ts';
import { INPUT, inceptionV3, LOGITS } from '../../src/inference/network/inceptionv3.ts';
import { weightShapes } from '../../src/inference/network/weights.ts';
import { TRAIN_DEFAULTS } from '../../src/training/options.ts';
import { cutBelow, prepare } from '../../src/training/prepare.ts';
import { initialWeights, missingWeights } from '../../src/training/stages/initial-weights.ts';
import { weightNames } from '../../src/training/stages/parameters.ts';
import { temporaryDir } from '../temporary-dir.ts';
import { drawPhotos } from './fixture-photos.ts';

const layers = inceptionV3(3);

describe('cutBelow', () => {
  test('is the layer that the first trained one reads', () => {
    expect(['all', 'mixed0', 'mixed1', 'mixed8'].map(cutBelow)).toEqual([
      ...[INPUT, 'pool_2', 'mixed0', 'mixed7'],
    ]);
    for (const cut of ['pool_2', 'mixed0', 'mixed7']) {
      expect(layers.some(({ name }) => name === cut)).toBe(true);
    }
  });

  test('names what is no such layer', () => {
    for (const name of ['mixed9', 'mixed', 'conv2d_3', '']) {
      expect(() => cutBelow(name)).toThrow(`"${name}"`);
    }
  });
});

describe('weightNames', () => {
  test('above mixed8 lie the last 18 convolutions and the head', () => {
    const names = weightNames(layers, 'mixed8');
    expect(names).toHaveLength(2 * (18 + 2));
    expect(names).toContain('conv2d_77/kernel');
    expect(names).not.toContain('conv2d_76/kernel');
  });

  test('above the input lie all', () => {
    expect(weightNames(layers, INPUT)).toHaveLength(weightShapes(layers).size);
  });
});

describe('initialWeights', () => {
  const base = new Map(
    [...weightShapes(inceptionV3(6))].map(([name, shape]) => [
      name,
      { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) },
    ]),
  );

  test('keeps the base and makes a head for other labels', () => {
    const weights = initialWeights(layers, base, 1);
    expect(weights.get('conv2d_1/kernel')).toBe(base.get('conv2d_1/kernel'));
    expect(weights.get(`${LOGITS}/kernel`)?.shape).toEqual([256, 3]);
    expect(new Set(weights.get(`${LOGITS}/kernel`)?.data).size).toBeGreaterThan(100);
    expect(initialWeights(layers, base, 1)).toEqual(weights);
  });

  test('names what is missing, so that stage 1 may be skipped only where nothing is', () => {
    expect(missingWeights(layers, base)).toEqual([`${LOGITS}/kernel`, `${LOGITS}/bias`]);
    expect(missingWeights(inceptionV3(6), base)).toEqual([]);
  });

  test('makes the two kernels that may be missing, and refuses any other gap', () => {
    const gap = new Map(base);
    gap.delete('conv2d_82/kernel');
    expect(initialWeights(layers, gap, 1).get('conv2d_82/kernel')?.shape).toEqual([3, 3, 448, 384]);
    gap.delete('conv2d_4/kernel');
    expect(() => initialWeights(layers, gap, 1)).toThrow(/conv2d_4\/kernel is missing/);
  });
});

test('the key tells other homes in training only where they weigh', async () => {
  const data = await temporaryDir();
  await drawPhotos(data, 4);
  const groups = join(data, 'groups.csv');
  const keyWith = async (home: string, spread: number) => {
    await writeFile(groups, `file,source\ndisc/02.jpg,one\ndisc/03.jpg,${home}\n`);
    // Only photos 00 and 01 may validate, so that the split is the same.
    const options = { ...TRAIN_DEFAULTS, data, out: join(data, 'out'), focus: '^0[01]' };
    return (await prepare({ ...options, base: BUNDLED_MODEL_DIR, groups, spread })).key;
  };
  expect(await keyWith('one', 0)).toBe(await keyWith('two', 0));
  expect(await keyWith('one', 0.5)).not.toBe(await keyWith('two', 0.5));
});
