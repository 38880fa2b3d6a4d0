import { INPUT, INPUT_SIZE, type Layer } from '../../inference/inceptionv3.ts';
import { layerShapes, pads, type Shape } from '../../inference/shapes.ts';
import { checkWeights } from '../../inference/weights.ts';
import { type CalibrationOptions, calibrate } from './calibrate.ts';
import { addDense, type GraphContext, PIXELS, pixelPort } from './float-graph.ts';
import { GraphBuilder, MICROSOFT } from './graph-builder.ts';
import { quantizeBias, quantizeKernel } from './quantize.ts';
import { planScales } from './scales.ts';

/** Raw pixels are the first convolution's bytes as they are: read as (pixel - 128) / 127.5. */
const PIXEL_SCALE = 1 / 127.5;
const PIXEL_ZERO_POINT = 128;
/** What that leaves out against pixel / 127.5 - 1; the first bias makes up for it. */
const PIXEL_OFFSET = 0.5 / 127.5;
/** Activations follow ReLU, so a byte of 0 is 0 and 255 is the clip. */
const STEPS = 255;

/**
 * The network as an 8-bit ONNX file for onnxruntime: raw RGB pixels in, one float logit per label
 * out. Activations are unsigned bytes with one scale a tensor, weights signed bytes with one scale
 * an output channel. Operators are onnxruntime's channels-last ones, so nothing is transposed.
 */
export async function exportInt8(options: CalibrationOptions): Promise<Uint8Array> {
  const { layers, weights, inputSize = INPUT_SIZE } = options;
  checkWeights(layers, weights);
  const plan = planScales(layers);
  const clips = await calibrate(options, plan.measured);
  const shapes = layerShapes(layers, inputSize);
  const values = new Map([[INPUT, PIXELS]]);
  const context: Int8Context = {
    shapeOf: (name) => shapes.get(name) as Shape,
    valueName: (name) => values.get(name) as string,
    weight: (name) => weights.get(name)?.data as Float32Array,
    scaleOf: (name) =>
      name === INPUT
        ? PIXEL_SCALE
        : (clips.get(plan.scaleOf.get(name) as string) as number) / STEPS,
  };
  const graph = new GraphBuilder();
  for (const layer of layers) values.set(layer.name, addLayer(graph, layer, context));
  const last = layers.at(-1) as Layer;
  return graph.encode(
    'retagger-int8',
    [pixelPort(inputSize)],
    [
      {
        name: context.valueName(last.name),
        type: 'float',
        shape: [1, context.shapeOf(last.name)[2]],
      },
    ],
  );
}

interface Int8Context extends GraphContext {
  /** What one step of a layer's output bytes is worth. */
  readonly scaleOf: (layer: string) => number;
}

/** Names of the scale and zero point constants of a layer's output, as operators take them. */
function scaleInputs(graph: GraphBuilder, layer: string, context: Int8Context): [string, string] {
  const zeroPoint = layer === INPUT ? PIXEL_ZERO_POINT : 0;
  const scale = context.scaleOf(layer);
  return [
    graph.constant(`scale/${scale}`, 'float', [], Float32Array.of(scale)),
    graph.constant(`zero/${zeroPoint}`, 'uint8', [], Uint8Array.of(zeroPoint)),
  ];
}

/** Returns the name of the value with the layer's output. */
function addLayer(graph: GraphBuilder, layer: Layer, context: Int8Context): string {
  switch (layer.kind) {
    case 'conv':
      return addConvolution(graph, layer, context);
    case 'maxPool':
    case 'avgPool':
      return addPool(graph, layer, context);
    case 'concat':
      return addConcat(graph, layer, context);
    case 'globalAveragePool': {
      const real = graph.node('DequantizeLinear', `${layer.name}_inputs`, [
        context.valueName(layer.from),
        ...scaleInputs(graph, layer.from, context),
      ]);
      return graph.node('ReduceMean', layer.name, [real], {
        attributes: { axes: [1, 2], keepdims: 0 },
      });
    }
    case 'dense':
      return addDense(graph, layer, context);
    case 'dropout':
      return context.valueName(layer.from);
  }
}

function addConvolution(
  graph: GraphBuilder,
  layer: Layer & { readonly kind: 'conv' },
  context: Int8Context,
): string {
  const { name, filters, stride, padding } = layer;
  const [inHeight, inWidth, inputs] = context.shapeOf(layer.from);
  const [height, width] = layer.kernel;
  const kernel = context.weight(`${name}/kernel`);
  let bias = context.weight(`${name}/bias`);
  if (layer.from === INPUT) {
    // With zeros around it the offset would be wrong at the edges.
    if (padding !== 'valid') throw new Error(`${name}: the first convolution cannot be padded`);
    bias = bias.map((value, o) => value + PIXEL_OFFSET * channelSum(kernel, o, filters));
  }
  const { data, scales } = quantizeKernel(kernel, [height, width, inputs, filters]);
  const biasSteps = quantizeBias(bias, context.scaleOf(layer.from), scales);
  const [top, bottom] = pads(inHeight, height, stride, padding);
  const [left, right] = pads(inWidth, width, stride, padding);
  // Cutting at byte 0 is the ReLU.
  return graph.node(
    'QLinearConv',
    name,
    [
      context.valueName(layer.from),
      ...scaleInputs(graph, layer.from, context),
      graph.constant(`${name}/kernel`, 'int8', [filters, inputs, height, width], data),
      graph.constant(`${name}/scales`, 'float', [filters], scales),
      graph.constant(`zeros/${filters}`, 'int8', [filters], new Int8Array(filters)),
      ...scaleInputs(graph, name, context),
      graph.constant(`${name}/bias`, 'int32', [filters], biasSteps),
    ],
    {
      domain: MICROSOFT,
      attributes: {
        channels_last: 1,
        kernel_shape: [height, width],
        strides: [stride, stride],
        pads: [top, left, bottom, right],
      },
    },
  );
}

function channelSum(kernel: Float32Array, output: number, outputs: number): number {
  let sum = 0;
  for (let i = output; i < kernel.length; i += outputs) sum += kernel[i] as number;
  return sum;
}

function addPool(
  graph: GraphBuilder,
  layer: Layer & { readonly kind: 'maxPool' | 'avgPool' },
  context: Int8Context,
): string {
  const { name, stride, padding } = layer;
  const [height, width] = context.shapeOf(layer.from);
  const [top, bottom] = pads(height, 3, stride, padding);
  const [left, right] = pads(width, 3, stride, padding);
  const window = {
    kernel_shape: [3, 3],
    strides: [stride, stride],
    pads: [top, left, bottom, right],
  };
  const input = context.valueName(layer.from);
  if (layer.kind === 'maxPool') {
    return graph.node('NhwcMaxPool', name, [input], { domain: MICROSOFT, attributes: window });
  }
  return graph.node(
    'QLinearAveragePool',
    name,
    [input, ...scaleInputs(graph, layer.from, context), ...scaleInputs(graph, name, context)],
    {
      domain: MICROSOFT,
      attributes: { ...window, channels_last: 1, count_include_pad: 0 },
    },
  );
}

function addConcat(
  graph: GraphBuilder,
  layer: Layer & { readonly kind: 'concat' },
  context: Int8Context,
): string {
  const { name, from } = layer;
  const attributes = { axis: 3 };
  if (from.every((input) => context.scaleOf(input) === context.scaleOf(name))) {
    return graph.node('Concat', name, from.map(context.valueName), { attributes });
  }
  return graph.node(
    'QLinearConcat',
    name,
    [
      ...scaleInputs(graph, name, context),
      ...from.flatMap((input) => [context.valueName(input), ...scaleInputs(graph, input, context)]),
    ],
    { domain: MICROSOFT, attributes },
  );
}
