import {
  addDense,
  type ExportLayer,
  type GraphContext,
  pixelPort,
  windowAttributes,
} from '../../inference/engines/float-graph.ts';
import { GraphBuilder, MICROSOFT } from '../../inference/engines/graph-builder.ts';
import { kernelToOihw } from '../../inference/engines/kernels.ts';
import { PRODUCT_ZERO, paysAsProduct } from '../../inference/engines/matrix-products.ts';
import { PIXELS } from '../../inference/engines/onnx.ts';
import { INPUT, INPUT_SIZE } from '../../inference/network/inceptionv3.ts';
import type { Tensor } from '../../inference/network/safetensors.ts';
import { layerShapes, type Shape } from '../../inference/network/shapes.ts';
import { checkWeights } from '../../inference/network/weights.ts';
import { addAveragePool } from './average-pool.ts';
import { type CalibrationOptions, calibrate } from './calibrate.ts';
import type { Quantization } from './histogram.ts';
import { type PoolLayer, poolsBehindConvolutions } from './pools.ts';
import { meanError, quantizeBias, quantizeKernel, smallestScales } from './quantize.ts';
import { planScales } from './scales.ts';

/** Raw pixels are the first convolution's bytes as they are. */
const PIXELS_AS_BYTES: Quantization = { scale: 1 / 127.5, zeroPoint: 128 };
/** What that leaves out against pixel / 127.5 - 1; the first bias makes up for it. */
const PIXEL_OFFSET = 0.5 / 127.5;

/**
 * The network as an 8-bit ONNX file for onnxruntime: raw RGB pixels in, one float logit per label
 * out. Activations are unsigned bytes with one scale a tensor, weights signed bytes with one scale
 * an output channel. Operators are onnxruntime's channels-last ones, so nothing is transposed.
 */
export async function exportInt8(options: CalibrationOptions): Promise<Uint8Array> {
  const { weights, inputSize = INPUT_SIZE } = options;
  checkWeights(options.layers, weights);
  const layers = poolsBehindConvolutions(options.layers);
  const plan = planScales(layers);
  const { quantizations, means } = await calibrate({ ...options, layers }, plan.measured);
  const shapes = layerShapes(layers, inputSize);
  const values = new Map([[INPUT, PIXELS]]);
  const context: Int8Context = {
    shapeOf: (name) => shapes.get(name) as Shape,
    valueName: (name) => values.get(name) as string,
    weight: (name) => (weights.get(name) as Tensor).data,
    quantizationOf: (name) =>
      name === INPUT
        ? PIXELS_AS_BYTES
        : (quantizations.get(plan.scaleOf.get(name) as string) as Quantization),
    meansOf: (name) => means.get(name) as Float64Array,
  };
  const graph = new GraphBuilder();
  for (const layer of layers) values.set(layer.name, addLayer(graph, layer, context));
  const last = layers.at(-1) as ExportLayer;
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
  readonly quantizationOf: (layer: string) => Quantization;
  readonly meansOf: (layer: string) => Float64Array;
}

/** Names of the scale and zero point constants of a layer's output, as operators take them. */
function scaleInputs(graph: GraphBuilder, layer: string, context: Int8Context): [string, string] {
  const { scale, zeroPoint } = context.quantizationOf(layer);
  return [
    graph.constant(`scale/${scale}`, 'float', [], Float32Array.of(scale)),
    graph.constant(`zero/${zeroPoint}`, 'uint8', [], Uint8Array.of(zeroPoint)),
  ];
}

/** Returns the name of the value with the layer's output. */
function addLayer(graph: GraphBuilder, layer: ExportLayer, context: Int8Context): string {
  switch (layer.kind) {
    case 'conv':
      return addConvolution(graph, layer, context);
    case 'maxPool':
    case 'avgPool':
      return addPool(graph, layer, context);
    case 'concat':
      return addConcat(graph, layer, context);
    case 'globalAveragePool':
      return addMean(graph, layer, context);
    case 'dense':
      return addDense(graph, layer, context);
    case 'dropout':
      return context.valueName(layer.from);
  }
}

function addConvolution(
  graph: GraphBuilder,
  layer: ExportLayer & { readonly kind: 'conv' },
  context: Int8Context,
): string {
  const { name, filters, kernel, weights = name } = layer;
  const input = context.shapeOf(layer.from);
  const shape = [...kernel, input[2], filters] as const;
  const real = context.weight(`${weights}/kernel`);
  const realBias = context.weight(`${weights}/bias`);
  const inputScale = context.quantizationOf(layer.from).scale;
  const quantized = quantizeKernel(real, shape, smallestScales(realBias, inputScale));
  let means = context.meansOf(layer.from);
  let offsets = new Float64Array(filters);
  if (layer.from === INPUT) {
    // With zeros around it the offset would be wrong at the edges.
    if (layer.padding !== 'valid') throw new Error(`${name}: the input cannot be padded`);
    offsets = offsets.map((_, o) => PIXEL_OFFSET * channelSum(real, o, filters));
    means = means.map((mean) => mean - PIXEL_OFFSET);
  }
  const error = meanError(real, quantized, means);
  const bias = Float64Array.from(
    realBias,
    (value, o) => value + (offsets[o] as number) - (error[o] as number),
  );
  const biasSteps = quantizeBias(bias, inputScale, quantized.scales);
  const [scale, zero] = scaleInputs(graph, layer.from, context);
  const { zeroPoint } = context.quantizationOf(layer.from);
  const product = zeroPoint === 0 && paysAsProduct(filters, real.length / filters);
  // Where zero is byte 0, the cut at byte 0 is the ReLU.
  return graph.node(
    'QLinearConv',
    name,
    [
      context.valueName(layer.from),
      ...[scale, product ? graph.constant(PRODUCT_ZERO, 'uint8', [], Uint8Array.of(0)) : zero],
      graph.constant(
        `${weights}/kernel`,
        'int8',
        [filters, input[2], ...kernel],
        kernelToOihw(quantized.integers, shape),
      ),
      graph.constant(`${weights}/scales`, 'float', [filters], quantized.scales),
      graph.constant(`zeros/${filters}`, 'int8', [filters], new Int8Array(filters)),
      ...scaleInputs(graph, name, context),
      graph.constant(`${weights}/bias`, 'int32', [filters], biasSteps),
    ],
    {
      domain: MICROSOFT,
      attributes: { ...windowAttributes(layer, kernel, input), channels_last: 1 },
    },
  );
}

function channelSum(kernel: Float32Array, output: number, outputs: number): number {
  let sum = 0;
  for (let i = output; i < kernel.length; i += outputs) sum += kernel[i] as number;
  return sum;
}

function addPool(graph: GraphBuilder, layer: PoolLayer, context: Int8Context): string {
  if (layer.kind === 'avgPool') {
    return addAveragePool(graph, layer, context, (name) => scaleInputs(graph, name, context));
  }
  const attributes = windowAttributes(layer, [3, 3], context.shapeOf(layer.from));
  return graph.node('NhwcMaxPool', layer.name, [context.valueName(layer.from)], {
    domain: MICROSOFT,
    attributes,
  });
}

/** Over all positions, in float, as a product of matrices: `ReduceMean` takes ten times as long. */
function addMean(
  graph: GraphBuilder,
  layer: ExportLayer & { readonly kind: 'globalAveragePool' },
  context: Int8Context,
): string {
  const { name, from } = layer;
  const [height, width] = context.shapeOf(from);
  const positions = height * width;
  const real = graph.node('DequantizeLinear', `${name}_inputs`, [
    context.valueName(from),
    ...scaleInputs(graph, from, context),
  ]);
  const rows = graph.node('Flatten', `${name}_rows`, [real], { attributes: { axis: 3 } });
  const shares = new Float32Array(positions).fill(1 / positions);
  const weights = graph.constant(`${name}/shares`, 'float', [1, positions], shares);
  return graph.node('MatMul', name, [weights, rows]);
}

function addConcat(
  graph: GraphBuilder,
  layer: ExportLayer & { readonly kind: 'concat' },
  context: Int8Context,
): string {
  const { name, from } = layer;
  const attributes = { axis: 3 };
  if (from.every((input) => context.quantizationOf(input) === context.quantizationOf(name))) {
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
