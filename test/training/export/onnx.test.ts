import { describe, expect, it } from 'vitest';
import { exportF32 } from '../../../src/inference/engines/float-graph.ts';
import { PRODUCT_ZERO } from '../../../src/inference/engines/matrix-products.ts';
import { InferenceSession, Tensor } from '../../../src/inference/engines/onnxruntime-node.ts';
import {
  INPUT,
  inceptionV3,
  type Layer,
  LOGITS,
} from '../../../src/inference/network/inceptionv3.ts';
import type { Tensor as TensorData } from '../../../src/inference/network/safetensors.ts';
import { layerShapes, type Shape } from '../../../src/inference/network/shapes.ts';
import { exportInt8 } from '../../../src/training/export/int8-graph.ts';
import { poolsBehindConvolutions } from '../../../src/training/export/pools.ts';
import { forward, randomPixels, randomWeights, tinyNetwork } from './tiny-network.ts';

const SIZE = 41;
const LABELS = 5;
const layers = tinyNetwork(LABELS);
const weights = randomWeights(layers);
const shapes = layerShapes(layers, SIZE);
const photo = randomPixels(SIZE, 100);
const calibration = Array.from({ length: 12 }, (_, i) => randomPixels(SIZE, i));

async function run(model: Uint8Array, pixels: Uint8Array): Promise<Record<string, number[]>> {
  const session = await InferenceSession.create(model);
  const results = await session.run({ pixels: new Tensor('uint8', pixels, [1, SIZE, SIZE, 3]) });
  await session.release();
  return Object.fromEntries(
    session.outputNames.map((name) => [name, Array.from(results[name]?.data as Float32Array)]),
  );
}

/** Root of the mean squared difference, relative to the spread of what is expected. */
function relativeError(got: readonly number[], expected: readonly number[]): number {
  const mean = expected.reduce((a, b) => a + b, 0) / expected.length;
  const error = expected.reduce((sum, e, i) => sum + (e - (got[i] as number)) ** 2, 0);
  return Math.sqrt(error / expected.reduce((sum, e) => sum + (e - mean) ** 2, 0));
}

describe('exportF32', () => {
  it('computes what the definitions say, layer by layer', async () => {
    const expected = forward(layers, weights, photo, SIZE);
    const outputs = layers.filter(({ kind }) => kind !== 'dropout').map(({ name }) => name);
    const got = await run(exportF32({ layers, weights, inputSize: SIZE, outputs }), photo);
    for (const name of outputs) {
      const value = expected.get(name) as number[];
      const nhwc = toNhwc(got[name] as number[], (shapes.get(name) as Shape)[2]);
      expect(nhwc.length, name).toBe(value.length);
      expect(relativeError(nhwc, value), name).toBeLessThan(1e-5);
    }
  });

  it('gives the same with the average pools behind their convolutions', async () => {
    const moved = poolsBehindConvolutions(layers);
    expect(moved.map(({ name }) => name)).not.toContain('p2');
    const [plain, changed] = await Promise.all([
      run(exportF32({ layers, weights, inputSize: SIZE }), photo),
      run(exportF32({ layers: moved, weights, inputSize: SIZE }), photo),
    ]);
    expect(relativeError(changed?.[LOGITS] as number[], plain?.[LOGITS] as number[])).toBeLessThan(
      1e-5,
    );
  });
});

describe('exportInt8', () => {
  it('stays close to float32 on photos it was not calibrated on', async () => {
    const model = await exportInt8({ layers, weights, calibration, inputSize: SIZE });
    const errors: number[] = [];
    for (let seed = 100; seed < 110; seed++) {
      const pixels = randomPixels(SIZE, seed);
      const expected = forward(layers, weights, pixels, SIZE).get(LOGITS) as number[];
      errors.push(relativeError((await run(model, pixels))[LOGITS] as number[], expected));
    }
    expect(Math.max(...errors)).toBeLessThan(0.06);
    expect(errors.reduce((a, b) => a + b, 0) / errors.length).toBeLessThan(0.02);
  });

  it('reads pixels exactly, although their zero lies between two bytes', async () => {
    // Sums of 27 nearly grey pixels: half a byte too much or too little in each would show.
    const network: Layer[] = [
      {
        ...{ kind: 'conv', name: 'sum', from: INPUT, filters: 1, kernel: [3, 3], stride: 2 },
        padding: 'valid',
      },
      { kind: 'globalAveragePool', name: 'average', from: 'sum' },
      { kind: 'dense', name: LOGITS, from: 'average', units: 1, relu: false },
    ];
    const ones = new Map<string, TensorData>([
      ['sum/kernel', { shape: [3, 3, 3, 1], data: new Float32Array(27).fill(1) }],
      ['sum/bias', { shape: [1], data: new Float32Array(1) }],
      [`${LOGITS}/kernel`, { shape: [1, 1], data: Float32Array.of(1) }],
      [`${LOGITS}/bias`, { shape: [1], data: new Float32Array(1) }],
    ]);
    const grey = [127, 128, 129, 130].map((value) => new Uint8Array(SIZE * SIZE * 3).fill(value));
    const options = { layers: network, weights: ones, inputSize: SIZE };
    const model = await exportInt8({ ...options, calibration: grey });
    const [, ...above] = await Promise.all(grey.map((pixels) => run(model, pixels)));
    const expected = [128, 129, 130].map((value) => 27 * (value / 127.5 - 1));
    for (const [i, logits] of above.entries()) {
      expect(logits[LOGITS]?.[0]).toBeCloseTo(expected[i] as number, 2);
    }
  });

  it.each([
    { stride: 1, padding: 'same' },
    { stride: 2, padding: 'same' },
    { stride: 1, padding: 'valid' },
    { stride: 2, padding: 'valid' },
  ] as const)('averages without the padding: %o', async (pool) => {
    const network: Layer[] = [
      {
        ...{ kind: 'conv', name: 'c', from: INPUT, filters: 6, kernel: [3, 3], stride: 2 },
        padding: 'valid',
      },
      // Small, so that the edges count: 20 → 9 → 4.
      { kind: 'maxPool', name: 'm1', from: 'c', stride: 2, padding: 'valid' },
      { kind: 'maxPool', name: 'm2', from: 'm1', stride: 2, padding: 'valid' },
      { kind: 'avgPool', name: 'p', from: 'm2', ...pool },
      { kind: 'globalAveragePool', name: 'average', from: 'p' },
      { kind: 'dense', name: LOGITS, from: 'average', units: LABELS, relu: false },
    ];
    const options = { layers: network, weights: randomWeights(network), inputSize: SIZE };
    const model = await exportInt8({ ...options, calibration: [photo] });
    const expected = forward(network, options.weights, photo, SIZE).get(LOGITS) as number[];
    const got = (await run(model, photo))[LOGITS] as number[];
    expect(relativeError(got, expected)).toBeLessThan(0.02);
  });

  it('lets large convolutions be sent another way', async () => {
    const at = { kind: 'conv', stride: 2, padding: 'valid' } as const;
    const network: Layer[] = [
      { ...at, name: 'c', from: INPUT, filters: 96, kernel: [3, 3] },
      { ...at, name: 'large', from: 'c', filters: 128, kernel: [3, 3] },
      { ...at, name: 'small', from: 'large', filters: 64, kernel: [3, 3] },
      { kind: 'globalAveragePool', name: 'average', from: 'small' },
      { kind: 'dense', name: LOGITS, from: 'average', units: LABELS, relu: false },
    ];
    const options = { layers: network, weights: randomWeights(network), inputSize: SIZE };
    const model = await exportInt8({ ...options, calibration: [photo] });
    // The one layer's and the constant itself.
    expect(Buffer.from(model).toString('latin1').split(PRODUCT_ZERO)).toHaveLength(1 + 2);
  });

  it('is the same for the same input', async () => {
    const options = { layers, weights, calibration, inputSize: SIZE };
    const [once, again] = [await exportInt8(options), await exportInt8(options)];
    expect(Buffer.compare(once, again)).toBe(0);
  });

  it('refuses to guess without photos, with wrong weights, with a padded input', async () => {
    const options = { layers, weights, calibration, inputSize: SIZE };
    await expect(exportInt8({ ...options, calibration: [] })).rejects.toThrow('at least one photo');
    const wrong = new Map(weights).set('c2/bias', { shape: [1], data: new Float32Array(1) });
    await expect(exportInt8({ ...options, weights: wrong })).rejects.toThrow('c2/bias');
    const padded = layers.map(
      (layer): Layer =>
        layer.kind === 'conv' && layer.from === INPUT ? { ...layer, padding: 'same' } : layer,
    );
    await expect(exportInt8({ ...options, layers: padded })).rejects.toThrow('cannot be padded');
  });
});

describe('poolsBehindConvolutions', () => {
  it('moves the eight average pools of InceptionV3 and no maximum', () => {
    const before = inceptionV3(6);
    const after = poolsBehindConvolutions(before);
    const names = (kind: string) => after.filter((l) => l.kind === kind).map(({ name }) => name);
    expect(names('maxPool')).toHaveLength(before.filter((l) => l.kind === 'maxPool').length);
    expect(names('avgPool').every((name) => name.startsWith('conv2d_'))).toBe(true);
    expect(names('avgPool')).toHaveLength(8);
    expect(names('conv').filter((name) => name.endsWith('_unpooled'))).toHaveLength(8);
  });

  it('leaves a pool alone that more than one layer reads, or a larger kernel', () => {
    const pool: Layer = { kind: 'avgPool', name: 'p', from: 'x', stride: 1, padding: 'same' };
    const conv = (name: string, side: number): Layer => ({
      ...{ kind: 'conv', name, from: 'p', filters: 1, kernel: [side, side], stride: 1 },
      padding: 'same',
    });
    for (const network of [
      [pool, conv('a', 1), conv('b', 1)],
      [pool, conv('a', 3)],
    ]) {
      expect(poolsBehindConvolutions(network)).toEqual(network);
    }
  });
});

/** Channel by channel → position by position. */
function toNhwc(planes: readonly number[], channels: number): number[] {
  const positions = planes.length / channels;
  return planes.map(
    (_, i) => planes[(i % channels) * positions + Math.trunc(i / channels)] as number,
  );
}
