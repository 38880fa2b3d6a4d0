import { layersBetween } from '../../inference/network/forward.ts';
import { type Layer, LOGITS } from '../../inference/network/inceptionv3.ts';
import type { Tensor as HostTensor, Tensors } from '../../inference/network/safetensors.ts';
import type { Tensor, Tfjs, Variable } from '../../inference/tfjs.ts';

/** The weights of the layers above the cut: what one stage trains and what it only reads there. */
export interface Parameters {
  /** For `forward` from the cut to the logits. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** By weight name, in the network's order. */
  readonly trained: ReadonlyMap<string, Variable>;
  /** The averaged weights with the names of `weights`; the weights themselves without averaging. */
  readonly averaged: ReadonlyMap<string, Tensor>;
  /** Moves the averages towards the present weights. */
  average(step: number): void;
  dispose(): void;
}

/** Weight names of the layers after `cut`, up to another; default: the last. */
export function weightNames(layers: readonly Layer[], cut: string, to = LOGITS): string[] {
  return layersBetween(layers, cut, to)
    .filter(({ kind }) => kind === 'conv' || kind === 'dense')
    .flatMap(({ name }) => [`${name}/kernel`, `${name}/bias`]);
}

/**
 * @param decay of the exponential moving average of the weights, 0 for none. It rises to this over
 *   the first steps, so that the start is forgotten.
 * @param averages continues these averages.
 */
export function createParameters(
  tf: Tfjs,
  layers: readonly Layer[],
  cut: string,
  values: Tensors,
  decay: number,
  averages: Tensors = values,
): Parameters {
  const trained = new Map<string, Variable>();
  const shadow = new Map<string, Variable>();
  const make = (source: Tensors, name: string, prefix: string, trainable: boolean) => {
    const value = source.get(name) as HostTensor;
    const initial = tf.tensor(value.data, [...value.shape], 'float32');
    const variable = tf.variable(initial, trainable, `${prefix}${name}`);
    initial.dispose();
    return variable;
  };
  for (const name of weightNames(layers, cut)) {
    trained.set(name, make(values, name, '', true));
    if (decay > 0) shadow.set(name, make(averages, name, 'average/', false));
  }
  return {
    weights: trained,
    trained,
    averaged: decay > 0 ? shadow : trained,
    average(step) {
      const keep = Math.min(decay, (1 + step) / (10 + step));
      for (const [name, average] of shadow) {
        tf.tidy(() => {
          const gap = (trained.get(name) as Variable).sub(average);
          average.assign(average.add(gap.mul(1 - keep)));
        });
      }
    },
    dispose: () => tf.dispose([...trained.values(), ...shadow.values()]),
  };
}

/** Copies tensors to plain memory. */
export async function download(
  tensors: ReadonlyMap<string, Tensor>,
): Promise<Map<string, HostTensor>> {
  const copies = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    copies.set(name, { shape: tensor.shape, data: (await tensor.data()) as Float32Array });
  }
  return copies;
}
