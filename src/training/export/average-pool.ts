import { type GraphContext, windowAttributes } from '../../inference/engines/float-graph.ts';
import { type GraphBuilder, MICROSOFT } from '../../inference/engines/graph-builder.ts';
import { EDGES, ONES } from '../../inference/engines/qdq-graph.ts';
import { pads } from '../../inference/network/shapes.ts';
import type { PoolLayer } from './pools.ts';

const SIDE = 3;
const WINDOW = SIDE * SIDE;
/** Factors are written in quarters: every nine over a part of the window is a whole number of them. */
const QUARTER = 1 / 4;

/**
 * A 3×3 average of bytes, channels last, as a depthwise convolution with ones. At the edges, where
 * padding is part of the window and must not count, each position then has a factor. onnxruntime
 * has vector kernels for both; its `QLinearAveragePool` takes five times as long.
 * @param scaleInputs names of a layer's scale and zero point.
 * @returns the name of the value with the averages.
 */
export function addAveragePool(
  graph: GraphBuilder,
  layer: PoolLayer,
  { shapeOf, valueName }: GraphContext,
  scaleInputs: (layer: string) => readonly [scale: string, zeroPoint: string],
): string {
  const { name, from } = layer;
  const input = shapeOf(from);
  const [height, width, channels] = shapeOf(name);
  const rows = coverage(layer, input[0], height);
  const columns = coverage(layer, input[1], width);
  const factors = rows.flatMap((row) => columns.map((column) => WINDOW / (row * column)));
  const inside = factors.every((factor) => factor === 1);

  const kernel = new Int8Array(channels * WINDOW).fill(1);
  const ninths = graph.node(
    'QLinearConv',
    inside ? name : `${name}_ninths`,
    [
      valueName(from),
      ...scaleInputs(from),
      graph.constant(`${ONES}${channels}`, 'int8', [channels, 1, SIDE, SIDE], kernel),
      graph.constant('ninth', 'float', [], Float32Array.of(1 / WINDOW)),
      graph.constant('ninth/zero', 'int8', [], new Int8Array(1)),
      ...scaleInputs(name),
    ],
    {
      domain: MICROSOFT,
      attributes: {
        ...windowAttributes(layer, [SIDE, SIDE], input),
        ...{ group: channels, channels_last: 1 },
      },
    },
  );
  if (inside) return ninths;
  const quarters = Uint8Array.from(factors, (factor) => factor / QUARTER);
  return graph.node(
    'QLinearMul',
    name,
    [
      ninths,
      ...scaleInputs(name),
      graph.constant(`${EDGES}${height}x${width}`, 'uint8', [1, height, width, 1], quarters),
      graph.constant('quarter', 'float', [], Float32Array.of(QUARTER)),
      graph.constant('quarter/zero', 'uint8', [], new Uint8Array(1)),
      ...scaleInputs(name),
    ],
    { domain: MICROSOFT },
  );
}

/** Along one axis: how many of the window's three lie on the picture, at each output position. */
function coverage({ stride, padding }: PoolLayer, size: number, positions: number): number[] {
  const [before] = pads(size, SIDE, stride, padding);
  return Array.from({ length: positions }, (_, i) => {
    const from = i * stride - before;
    return Math.min(from + SIDE, size) - Math.max(from, 0);
  });
}
