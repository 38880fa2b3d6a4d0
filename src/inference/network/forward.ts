import type { Tensor, Tensor2D, Tensor4D, Tfjs } from '../tfjs.ts';
import { INPUT, type Layer } from './inceptionv3.ts';
import type { Tensors } from './safetensors.ts';

/** Weights on TensorFlow's side, by name: `conv2d_1/kernel`, `dense/bias`, … */
export type Weights = ReadonlyMap<string, Tensor>;

export interface ForwardOptions {
  /** Dropout for one layer's output, in training only; without it dropout does nothing. */
  readonly dropout?: (x: Tensor, rate: number) => Tensor;
  /** Called with each convolution's output before ReLU; the weights check reads it. */
  readonly preActivation?: (layer: string, x: Tensor4D) => void;
}

/** The layers that compute `to` when `from` is given, in order. */
export function layersBetween(layers: readonly Layer[], from: string, to: string): Layer[] {
  const needed = new Set<string>([to]);
  const found: Layer[] = [];
  for (const layer of [...layers].reverse()) {
    if (!needed.has(layer.name) || layer.name === from) continue;
    found.push(layer);
    const inputs = layer.kind === 'concat' ? layer.from : [layer.from];
    for (const input of inputs) if (input !== from) needed.add(input);
  }
  const open = [...needed].filter((name) => !found.some((layer) => layer.name === name));
  if (open.length > 0) throw new Error(`${to} cannot be computed from ${from}: needs ${open}`);
  return found.reverse();
}

/** Copies weights to TensorFlow. The caller disposes of them. */
export function uploadWeights(tf: Tfjs, tensors: Tensors): Map<string, Tensor> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape], 'float32')]),
  );
}

/** [n, 299, 299, 3] of 0..255 to the input's range. */
export function scalePixels(tf: Tfjs, pixels: Tensor4D): Tensor4D {
  return tf.tidy(() => pixels.toFloat().div(127.5).sub(1));
}

function weight<T extends Tensor>(weights: Weights, name: string): T {
  const found = weights.get(name);
  if (!found) throw new Error(`weight ${name} is missing`);
  return found as T;
}

function runLayer(
  tf: Tfjs,
  layer: Layer,
  weights: Weights,
  at: (name: string) => Tensor,
  options: ForwardOptions,
): Tensor {
  switch (layer.kind) {
    case 'conv': {
      const x = at(layer.from) as Tensor4D;
      const filter = weight<Tensor4D>(weights, `${layer.name}/kernel`);
      const bias = weight(weights, `${layer.name}/bias`);
      const { stride: strides, padding: pad } = layer;
      if (options.preActivation) {
        const linear = tf.conv2d(x, filter, strides, pad).add<Tensor4D>(bias);
        options.preActivation(layer.name, linear);
        return linear.relu();
      }
      return tf.fused.conv2d({ x, filter, strides, pad, bias, activation: 'relu' });
    }
    case 'maxPool':
      return tf.maxPool(at(layer.from) as Tensor4D, 3, layer.stride, layer.padding);
    case 'avgPool':
      return tf.avgPool(at(layer.from) as Tensor4D, 3, layer.stride, layer.padding);
    case 'concat':
      return tf.concat(layer.from.map(at), 3);
    case 'globalAveragePool':
      return at(layer.from).mean([1, 2]);
    case 'dense': {
      const x = at(layer.from) as Tensor2D;
      const y = x
        .matMul<Tensor2D>(weight<Tensor2D>(weights, `${layer.name}/kernel`))
        .add<Tensor2D>(weight(weights, `${layer.name}/bias`));
      return layer.relu ? y.relu() : y;
    }
    case 'dropout': {
      const x = at(layer.from);
      return options.dropout ? options.dropout(x, layer.rate) : x;
    }
  }
}

/**
 * Computes layer `to` from the output of layer `from` (default: the scaled input).
 * Differentiable. Call it inside `tf.tidy`: intermediate outputs are left to it.
 */
export function forward(
  tf: Tfjs,
  layers: readonly Layer[],
  weights: Weights,
  x: Tensor,
  to: string,
  from: string = INPUT,
  options: ForwardOptions = {},
): Tensor {
  const outputs = new Map<string, Tensor>([[from, x]]);
  const at = (name: string) => outputs.get(name) as Tensor;
  for (const layer of layersBetween(layers, from, to)) {
    outputs.set(layer.name, runLayer(tf, layer, weights, at, options));
  }
  return at(to);
}
