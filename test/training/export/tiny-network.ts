import { INPUT, type Layer, LOGITS } from '../../../src/inference/network/inceptionv3.ts';
import type { Tensor, Tensors } from '../../../src/inference/network/safetensors.ts';
import { layerShapes, type Shape } from '../../../src/inference/network/shapes.ts';
import { weightShapes } from '../../../src/inference/network/weights.ts';
import { random } from '../../../src/training/random.ts';

/** Every kind of layer and every odd shape of InceptionV3, small enough to be checked by hand. */
export function tinyNetwork(labelCount: number): readonly Layer[] {
  const conv = (name: string, from: string, filters: number, kernel: [number, number]) =>
    ({ kind: 'conv', name, from, filters, kernel, stride: 1, padding: 'same' }) as const;
  return [
    { ...conv('c1', INPUT, 8, [3, 3]), stride: 2, padding: 'valid' },
    { kind: 'maxPool', name: 'p1', from: 'c1', stride: 2, padding: 'valid' },
    // Like mixed0: a branch by an average pool.
    conv('c2', 'p1', 6, [1, 1]),
    conv('c3', 'p1', 4, [1, 1]),
    conv('c4', 'c3', 6, [5, 5]),
    { kind: 'avgPool', name: 'p2', from: 'p1', stride: 1, padding: 'same' },
    conv('c5', 'p2', 4, [1, 1]),
    { kind: 'concat', name: 'mixed0', from: ['c2', 'c4', 'c5'] },
    // Like mixed3: the pool itself is joined, in another scale.
    { ...conv('c6', 'mixed0', 8, [3, 3]), stride: 2, padding: 'valid' },
    { kind: 'maxPool', name: 'p3', from: 'mixed0', stride: 2, padding: 'valid' },
    { kind: 'concat', name: 'mixed1', from: ['c6', 'p3'] },
    // Like mixed10: a join inside a join, a maximum with padding.
    conv('c7', 'mixed1', 6, [1, 1]),
    conv('c8', 'c7', 5, [1, 3]),
    conv('c9', 'c7', 5, [3, 1]),
    { kind: 'concat', name: 'inner', from: ['c8', 'c9'] },
    { kind: 'maxPool', name: 'p4', from: 'mixed1', stride: 1, padding: 'same' },
    conv('c10', 'p4', 7, [1, 1]),
    { kind: 'concat', name: 'mixed2', from: ['inner', 'c10'] },
    { kind: 'globalAveragePool', name: 'average', from: 'mixed2' },
    { kind: 'dense', name: 'dense', from: 'average', units: 12, relu: true },
    { kind: 'dropout', name: 'dropout', from: 'dense', rate: 0.5 },
    { kind: 'dense', name: LOGITS, from: 'dropout', units: labelCount, relu: false },
  ];
}

/** He's initialisation, so that numbers neither vanish nor explode; biases are not zero. */
export function randomWeights(layers: readonly Layer[], seed = 1): Tensors {
  const stream = random(seed);
  return new Map(
    [...weightShapes(layers)].map(([name, shape]): [string, Tensor] => {
      const length = shape.reduce((a, b) => a * b, 1);
      const inputs = length / (shape.at(-1) as number);
      const scale = name.endsWith('/bias') ? 0.1 : Math.sqrt(6 / inputs);
      return [
        name,
        { shape, data: Float32Array.from({ length }, () => stream.between(-scale, scale)) },
      ];
    }),
  );
}

/** Smooth blobs rather than noise: neighbouring pixels are alike, as in photos. */
export function randomPixels(size: number, seed: number): Uint8Array {
  const stream = random(seed);
  const waves = Array.from({ length: 4 }, () => [0, 1, 2].map(() => stream.between(-6, 6)));
  const pixels = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      for (let c = 0; c < 3; c++) {
        const sum = waves.reduce(
          (total, [u = 0, v = 0, phase = 0]) =>
            total + Math.sin((u * x) / size + (v * y) / size + phase * (c + 1)),
          0,
        );
        pixels[(y * size + x) * 3 + c] = Math.round(127.5 + sum * 31);
      }
    }
  }
  return pixels;
}

/**
 * The network computed in the plainest way, from the definitions: what the exported graphs are held
 * against. Shares nothing with them but the list of layers.
 * @returns every layer's output, NHWC.
 */
export function forward(
  layers: readonly Layer[],
  weights: Tensors,
  pixels: Uint8Array,
  size: number,
): Map<string, number[]> {
  const shapes = layerShapes(layers, size);
  const values = new Map([[INPUT, Array.from(pixels, (pixel) => pixel / 127.5 - 1)]]);
  for (const layer of layers) {
    if (layer.kind === 'concat') {
      const [height, width] = shapes.get(layer.name) as Shape;
      const joined = Array.from({ length: height * width }, (_, at) =>
        layer.from.flatMap((name) => {
          const channels = (shapes.get(name) as Shape)[2];
          return (values.get(name) as number[]).slice(at * channels, (at + 1) * channels);
        }),
      );
      values.set(layer.name, joined.flat());
      continue;
    }
    const input = values.get(layer.from) as number[];
    const from = shapes.get(layer.from) as Shape;
    values.set(layer.name, single(layer, input, from, shapes.get(layer.name) as Shape, weights));
  }
  return values;
}

function single(
  layer: Exclude<Layer, { readonly kind: 'concat' }>,
  input: readonly number[],
  [inHeight, inWidth, inputs]: Shape,
  [outHeight, outWidth, outputs]: Shape,
  weights: Tensors,
): number[] {
  const weight = (name: string) => (weights.get(`${layer.name}/${name}`) as Tensor).data;
  const relu = (value: number) => Math.max(value, 0);
  if (layer.kind === 'dropout') return [...input];
  if (layer.kind === 'globalAveragePool') {
    const positions = inHeight * inWidth;
    return Array.from({ length: inputs }, (_, c) => {
      let sum = 0;
      for (let p = 0; p < positions; p++) sum += input[p * inputs + c] as number;
      return sum / positions;
    });
  }
  if (layer.kind === 'dense') {
    return Array.from({ length: layer.units }, (_, o) => {
      let sum = weight('bias')[o] as number;
      input.forEach((x, i) => {
        sum += x * (weight('kernel')[i * layer.units + o] as number);
      });
      return layer.relu ? relu(sum) : sum;
    });
  }
  const [kernelHeight, kernelWidth] = layer.kind === 'conv' ? layer.kernel : ([3, 3] as const);
  const { stride } = layer;
  const before = (n: number, out: number, k: number) =>
    layer.padding === 'valid' ? 0 : Math.floor(Math.max((out - 1) * stride + k - n, 0) / 2);
  const top = before(inHeight, outHeight, kernelHeight);
  const left = before(inWidth, outWidth, kernelWidth);
  const result: number[] = [];
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      // What is inside the picture under this window: [tap, position].
      const inside: [number, number][] = [];
      for (let dy = 0; dy < kernelHeight; dy++) {
        for (let dx = 0; dx < kernelWidth; dx++) {
          const row = y * stride + dy - top;
          const column = x * stride + dx - left;
          if (row >= 0 && row < inHeight && column >= 0 && column < inWidth) {
            inside.push([dy * kernelWidth + dx, row * inWidth + column]);
          }
        }
      }
      for (let o = 0; o < outputs; o++) {
        if (layer.kind === 'conv') {
          let sum = weight('bias')[o] as number;
          for (const [tap, position] of inside) {
            for (let i = 0; i < inputs; i++) {
              sum +=
                (input[position * inputs + i] as number) *
                (weight('kernel')[(tap * inputs + i) * outputs + o] as number);
            }
          }
          result.push(relu(sum));
        } else {
          const found = inside.map(([, position]) => input[position * inputs + o] as number);
          result.push(
            layer.kind === 'maxPool'
              ? Math.max(...found)
              : found.reduce((a, b) => a + b, 0) / found.length,
          );
        }
      }
    }
  }
  return result;
}
