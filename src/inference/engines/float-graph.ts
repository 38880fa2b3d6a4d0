import { INPUT, INPUT_SIZE, type Layer } from '../network/inceptionv3.ts';
import type { Tensor, Tensors } from '../network/safetensors.ts';
import { layerShapes, pads, type Shape } from '../network/shapes.ts';
import { GraphBuilder, type Port } from './graph-builder.ts';
import { kernelToOihw } from './kernels.ts';
import { PIXELS } from './onnx.ts';

/** A layer with what the export may have changed about it. */
export type ExportLayer = Layer & {
  /** Whose weights it has, where not its own name's. */
  readonly weights?: string;
  /** False for a convolution without ReLU, true for an average pool followed by one. */
  readonly rectified?: boolean;
};

export interface FloatGraphOptions {
  readonly layers: readonly ExportLayer[];
  /** All that the layers need (`checkWeights`). */
  readonly weights: Tensors;
  /** Height and width of the input in pixels; default 299. */
  readonly inputSize?: number;
  /**
   * Layers to give as outputs, for calibration; default the last. Those with height and width come
   * as [1, channels, height, width].
   */
  readonly outputs?: readonly string[];
}

/** The input of every graph. */
export const pixelPort = (size: number): Port => ({
  name: PIXELS,
  type: 'uint8',
  shape: [1, size, size, 3],
});

/**
 * The network as a float32 ONNX file: raw RGB pixels in, one logit per label out. Scaling is inside.
 */
export function exportF32(options: FloatGraphOptions): Uint8Array {
  const { layers, weights, inputSize = INPUT_SIZE } = options;
  const graph = new GraphBuilder();
  const shapes = layerShapes(layers, inputSize);
  const shapeOf = (name: string) => shapes.get(name) as Shape;
  // Name of the ONNX value that holds a layer's output.
  const values = new Map([[INPUT, scaledInput(graph)]]);
  const valueName = (name: string) => values.get(name) as string;
  const weight = (name: string) => (weights.get(name) as Tensor).data;

  for (const layer of layers) {
    values.set(layer.name, addLayer(graph, layer, { shapeOf, valueName, weight }));
  }
  const outputs = options.outputs ?? [layers.at(-1)?.name as string];
  return graph.encode(
    'retagger-f32',
    [pixelPort(inputSize)],
    outputs.map((name): Port => {
      const [height, width, channels] = shapeOf(name);
      const flat = height === 1 && width === 1;
      const shape = flat ? [1, channels] : [1, channels, height, width];
      return { name: valueName(name), type: 'float', shape };
    }),
  );
}

/** [1, h, w, 3] u8 → [1, 3, h, w] float, `x / 127.5 - 1`. */
function scaledInput(graph: GraphBuilder): string {
  const float = graph.node('Cast', 'pixels_float', [PIXELS], { attributes: { to: 1 } });
  const planes = graph.node('Transpose', 'pixels_planes', [float], {
    attributes: { perm: [0, 3, 1, 2] },
  });
  const half = graph.constant('half_range', 'float', [], Float32Array.of(127.5));
  const one = graph.constant('one', 'float', [], Float32Array.of(1));
  return graph.node('Sub', INPUT, [graph.node('Div', 'pixels_scaled', [planes, half]), one]);
}

/** What a layer needs to know of those before it. */
export interface GraphContext {
  readonly shapeOf: (layer: string) => Shape;
  /** Name of the ONNX value with a layer's output. */
  readonly valueName: (layer: string) => string;
  readonly weight: (name: string) => Float32Array;
}

/** Returns the name of the value with the layer's output. */
function addLayer(graph: GraphBuilder, layer: ExportLayer, context: GraphContext): string {
  const { shapeOf, valueName, weight } = context;
  const { name } = layer;
  switch (layer.kind) {
    case 'conv': {
      const weights = layer.weights ?? name;
      const inputs = shapeOf(layer.from)[2];
      const { filters, kernel } = layer;
      const planes = kernelToOihw(weight(`${weights}/kernel`), [...kernel, inputs, filters]);
      const dims = [filters, inputs, ...kernel];
      const rectified = layer.rectified !== false;
      const sum = graph.node(
        'Conv',
        rectified ? `${name}_sum` : name,
        [
          valueName(layer.from),
          graph.constant(`${weights}/kernel`, 'float', dims, planes),
          graph.constant(`${weights}/bias`, 'float', [filters], weight(`${weights}/bias`)),
        ],
        { attributes: windowAttributes(layer, kernel, shapeOf(layer.from)) },
      );
      return rectified ? graph.node('Relu', name, [sum]) : sum;
    }
    case 'maxPool':
    case 'avgPool': {
      // AveragePool's default leaves the padding out of the count, as the network wants it.
      const pooled = graph.node(
        layer.kind === 'maxPool' ? 'MaxPool' : 'AveragePool',
        layer.rectified ? `${name}_pooled` : name,
        [valueName(layer.from)],
        { attributes: windowAttributes(layer, [3, 3], shapeOf(layer.from)) },
      );
      return layer.rectified ? graph.node('Relu', name, [pooled]) : pooled;
    }
    case 'concat':
      return graph.node('Concat', name, layer.from.map(valueName), { attributes: { axis: 1 } });
    case 'globalAveragePool': {
      const average = graph.node('GlobalAveragePool', `${name}_planes`, [valueName(layer.from)]);
      return graph.node('Flatten', name, [average]);
    }
    case 'dense':
      return addDense(graph, layer, context);
    case 'dropout':
      return valueName(layer.from);
  }
}

/** A fully connected layer, [1, inputs] → [1, units] float. */
export function addDense(
  graph: GraphBuilder,
  layer: Layer & { readonly kind: 'dense' },
  { shapeOf, valueName, weight }: GraphContext,
): string {
  const { name, units } = layer;
  const product = graph.node('Gemm', layer.relu ? `${name}_sum` : name, [
    valueName(layer.from),
    graph.constant(
      `${name}/kernel`,
      'float',
      [shapeOf(layer.from)[2], units],
      weight(`${name}/kernel`),
    ),
    graph.constant(`${name}/bias`, 'float', [units], weight(`${name}/bias`)),
  ]);
  return layer.relu ? graph.node('Relu', name, [product]) : product;
}

/** ONNX's attributes of a convolution's or pool's sliding window. */
export function windowAttributes(
  layer: Layer & { readonly kind: 'conv' | 'maxPool' | 'avgPool' },
  kernel: readonly [height: number, width: number],
  input: Shape,
): Record<string, readonly number[]> {
  const { stride, padding } = layer;
  const [top, bottom] = pads(input[0], kernel[0], stride, padding);
  const [left, right] = pads(input[1], kernel[1], stride, padding);
  return {
    kernel_shape: kernel,
    strides: [stride, stride],
    pads: [top, left, bottom, right],
  };
}
