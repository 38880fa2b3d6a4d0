import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../../src/inference/bundle.ts';
import { GraphBuilder } from '../../../src/inference/engines/graph-builder.ts';
import { decodeGraph } from '../../../src/inference/engines/onnx-proto.ts';
import { InferenceSession, Tensor } from '../../../src/inference/engines/onnxruntime-node.ts';
import { toQdq } from '../../../src/inference/engines/qdq-graph.ts';
import { INPUT_SIZE } from '../../../src/inference/network/inceptionv3.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { exportInt8 } from '../../../src/training/export/int8-graph.ts';
import { randomPixels, randomWeights, tinyNetwork } from '../../training/export/tiny-network.ts';

/** Both graphs by onnxruntime, which knows the operators of either. */
async function logits(model: Uint8Array, photos: readonly Uint8Array[], size: number) {
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const all: number[][] = [];
  for (const pixels of photos) {
    const input = new Tensor('uint8', pixels, [1, size, size, 3]);
    const results = await session.run({ pixels: input });
    const { data } = results[session.outputNames[0] as string] as { data: unknown };
    all.push([...(data as Float32Array)]);
  }
  await session.release();
  return all;
}

const largestDifference = (a: number[][], b: number[][]): number =>
  Math.max(...a.flatMap((row, i) => row.map((x, k) => Math.abs(x - (b[i]?.[k] as number)))));

describe('toQdq', () => {
  it('says what the 8-bit graph says, of every kind of layer', async () => {
    const SIZE = 41;
    const layers = tinyNetwork(5);
    const weights = randomWeights(layers);
    const calibration = Array.from({ length: 8 }, (_, i) => randomPixels(SIZE, i));
    const int8 = await exportInt8({ layers, weights, calibration, inputSize: SIZE });
    const photos = [100, 101, 102].map((seed) => randomPixels(SIZE, seed));
    const expected = await logits(int8, photos, SIZE);
    const spread = largestDifference(
      expected,
      expected.map((row) => row.map(() => 0)),
    );
    const error = largestDifference(await logits(toQdq(int8), photos, SIZE), expected);
    expect(error).toBeLessThan(0.02 * spread);
  });

  it('says what the bundled graph says', async () => {
    const { dir, manifest } = await loadBundle(BUNDLED_MODEL_DIR);
    const int8 = await readFile(join(dir, manifest.files.int8));
    const rooms = manifest.labels.map((label) =>
      fileURLToPath(new URL(`../../fixtures/rooms/${label}.jpg`, import.meta.url)),
    );
    const photos: Uint8Array[] = [];
    for (const room of rooms)
      photos.push((await preprocess(room, { pixels: 1e6, bytes: 1e6 })).pixels);
    const expected = await logits(int8, photos, INPUT_SIZE);
    const got = await logits(toQdq(int8), photos, INPUT_SIZE);
    expect(largestDifference(got, expected)).toBeLessThan(0.2);
  });

  it('has operators of the standard only, and the same input and output', async () => {
    const layers = tinyNetwork(5);
    const calibration = [randomPixels(41, 1)];
    const weights = randomWeights(layers);
    const int8 = await exportInt8({ layers, weights, calibration, inputSize: 41 });
    const [before, after] = [decodeGraph(int8), decodeGraph(toQdq(int8))];
    expect(new Set(after.node.map(({ opType }) => opType))).toEqual(
      new Set([
        ...['QuantizeLinear', 'DequantizeLinear', 'Transpose', 'Conv', 'MaxPool', 'AveragePool'],
        ...['Concat', 'Flatten', 'MatMul', 'Gemm', 'Relu'],
      ]),
    );
    expect([after.input, after.output]).toEqual([before.input, before.output]);
  });

  it('names an operator that it does not know', () => {
    const graph = new GraphBuilder();
    graph.node('Softmax', 'scores', ['pixels']);
    const port = { name: 'pixels', type: 'uint8', shape: [1] } as const;
    const file = graph.encode('odd', [port], [{ ...port, name: 'scores' }]);
    expect(() => toQdq(file)).toThrow('scores: Softmax is not known here');
  });
});
