import { forward, uploadWeights } from '../../inference/network/forward.ts';
import { type Layer, MISSING_KERNELS } from '../../inference/network/inceptionv3.ts';
import type { Tensor as HostTensor, Tensors } from '../../inference/network/safetensors.ts';
import { weightShapes } from '../../inference/network/weights.ts';
import type { Tensor, Tensor4D, Tfjs } from '../../inference/tfjs.ts';
import { random } from '../random.ts';

/** Names of the weights that the base has not, or not in the shape these layers need. */
export const missingWeights = (layers: readonly Layer[], base: Tensors): string[] =>
  [...weightShapes(layers)]
    .filter(([name, shape]) => base.get(name)?.shape.join() !== shape.join())
    .map(([name]) => name);

/**
 * The base weights with what they lack: the head, and kernels that the file has not. Kernels start
 * normal, standard deviation √(2 / inputs) (He et al. 2015); biases zero.
 * @throws Error where a weight that is there has another shape, or much more than that is missing.
 */
export function initialWeights(
  layers: readonly Layer[],
  base: Tensors,
  seed: number,
): Map<string, HostTensor> {
  const optional = new Set<string>(MISSING_KERNELS);
  for (const layer of layers) if (layer.kind === 'dense') optional.add(layer.name);
  const weights = new Map<string, HostTensor>();
  for (const [name, shape] of weightShapes(layers)) {
    const found = base.get(name);
    const layer = name.slice(0, name.lastIndexOf('/'));
    if (found && found.shape.join() === shape.join()) {
      weights.set(name, found);
    } else if (optional.has(layer)) {
      weights.set(name, { shape, data: fresh(name, shape, seed) });
    } else {
      const what = found ? `has shape [${found.shape}], not [${shape}]` : 'is missing';
      throw new Error(`base weights: ${name} ${what}`);
    }
  }
  return weights;
}

function fresh(name: string, shape: readonly number[], seed: number): Float32Array {
  const length = shape.reduce((a, b) => a * b, 1);
  if (name.endsWith('/bias')) return new Float32Array(length);
  const stream = random(seed, name);
  const std = Math.sqrt(2 / (length / (shape.at(-1) as number)));
  return Float32Array.from({ length }, () => stream.normal() * std);
}

/**
 * Rescales convolutions that started random, one after another, so that each channel's output
 * before ReLU has mean 0 and standard deviation 1 on these features, as all pretrained ones nearly
 * have (data-dependent initialisation, Krähenbühl et al. 2016).
 * @param features output of layer `from`, [n, h, w, c].
 */
export function normaliseFresh(
  tf: Tfjs,
  layers: readonly Layer[],
  weights: Map<string, HostTensor>,
  base: Tensors,
  from: string,
  features: Tensor4D,
): void {
  for (const name of MISSING_KERNELS) {
    if (base.has(`${name}/kernel`)) continue;
    const kernel = weights.get(`${name}/kernel`) as HostTensor;
    const bias = weights.get(`${name}/bias`) as HostTensor;
    const uploaded = uploadWeights(tf, weights);
    const { mean, std } = tf.tidy(() => {
      const outputs: Tensor[] = [];
      forward(tf, layers, uploaded, features, name, from, {
        preActivation: (layer, y) => {
          if (layer === name) outputs.push(y);
        },
      });
      const moments = tf.moments(outputs[0] as Tensor, [0, 1, 2]);
      return { mean: moments.mean.dataSync(), std: moments.variance.sqrt().dataSync() };
    });
    tf.dispose([...uploaded.values()]);
    const channels = bias.data.length;
    const scale = Array.from(std, (value) => 1 / Math.max(value, 1e-6));
    weights.set(`${name}/kernel`, {
      shape: kernel.shape,
      data: kernel.data.map((value, i) => value * (scale[i % channels] as number)),
    });
    weights.set(`${name}/bias`, {
      shape: bias.shape,
      data: bias.data.map((value, k) => (value - (mean[k] as number)) * (scale[k] as number)),
    });
  }
}
