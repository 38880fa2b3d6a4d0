import { INPUT, INPUT_SIZE, type Layer, type Padding } from './inceptionv3.ts';

/** Height, width, channels of one photo's tensor. Vectors are 1 × 1 × length. */
export type Shape = readonly [height: number, width: number, channels: number];

/** Zeros put before and after one axis. */
export type Pads = readonly [before: number, after: number];

const outSize = (size: number, kernel: number, stride: number, padding: Padding) =>
  padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - kernel) / stride) + 1;

/** TensorFlow's "same": where the padding is odd, the extra row goes behind. */
export function pads(size: number, kernel: number, stride: number, padding: Padding): Pads {
  if (padding === 'valid') return [0, 0];
  const total = Math.max((outSize(size, kernel, stride, padding) - 1) * stride + kernel - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/**
 * Shape of every layer's output, by layer name, and of the input.
 * @param layers each after those that it reads.
 */
export function layerShapes(
  layers: readonly Layer[],
  inputSize: number = INPUT_SIZE,
): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>([[INPUT, [inputSize, inputSize, 3]]]);
  const of = (name: string) => shapes.get(name) as Shape;
  for (const layer of layers) shapes.set(layer.name, outShape(layer, of));
  return shapes;
}

function outShape(layer: Layer, of: (name: string) => Shape): Shape {
  switch (layer.kind) {
    case 'conv': {
      const [height, width] = of(layer.from);
      const [kernelHeight, kernelWidth] = layer.kernel;
      return [
        outSize(height, kernelHeight, layer.stride, layer.padding),
        outSize(width, kernelWidth, layer.stride, layer.padding),
        layer.filters,
      ];
    }
    case 'maxPool':
    case 'avgPool': {
      const [height, width, channels] = of(layer.from);
      return [
        outSize(height, 3, layer.stride, layer.padding),
        outSize(width, 3, layer.stride, layer.padding),
        channels,
      ];
    }
    case 'concat': {
      const [first, ...rest] = layer.from.map(of) as [Shape, ...Shape[]];
      return rest.reduce<Shape>(([h, w, sum], [, , channels]) => [h, w, sum + channels], first);
    }
    case 'globalAveragePool':
      return [1, 1, of(layer.from)[2]];
    case 'dense':
      return [1, 1, layer.units];
    case 'dropout':
      return of(layer.from);
  }
}
