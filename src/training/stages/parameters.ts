import { layersBetween } from '../../inference/network/forward.ts';
import { type Layer, LOGITS } from '../../inference/network/inceptionv3.ts';
import type { Tensor as HostTensor, Tensors } from '../../inference/network/safetensors.ts';
import type { Tensor, Tfjs, Variable } from '../../inference/tfjs.ts';

/** The weights of the layers above the cut, that one stage trains. */
export interface Parameters {
  /** By weight name, in the network's order: all that `forward` needs from the cut to the logits. */
  readonly trained: ReadonlyMap<string, Variable>;
  /** Their moving averages under the same names; the weights themselves without averaging. */
  readonly averaged: ReadonlyMap<string, Tensor>;
  /** Moves the averages towards the present weights. @param step of the stage, from 0. */
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
 * @param decay of the exponential moving average of the weights, 0 (none) up to 1. In step n, from 0,
 *   it is (1 + n) / (10 + n) at most, as in TensorFlow, so that the start is forgotten.
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
  const make = (value: HostTensor, name: string, trainable: boolean) =>
    tf.tidy(() => tf.variable(tf.tensor(value.data, [...value.shape]), trainable, name));
  for (const name of weightNames(layers, cut)) {
    trained.set(name, make(values.get(name) as HostTensor, name, true));
    if (decay > 0) {
      shadow.set(name, make(averages.get(name) as HostTensor, `average/${name}`, false));
    }
  }
  return {
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
