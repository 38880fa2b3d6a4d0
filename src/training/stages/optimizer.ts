import type { Tensor as HostTensor, Tensors } from '../../inference/network/safetensors.ts';
import type { Optimizer, Tfjs } from '../../inference/tfjs.ts';
import { download } from './parameters.ts';

/** tfjs's RMSProp with its state in and out, and a rate that may change between steps. */
export interface RmsProp {
  readonly optimizer: Optimizer;
  setLearningRate(rate: number): void;
  save(): Promise<Map<string, HostTensor>>;
  dispose(): void;
}

/**
 * With gradient g: s = ρ s + (1 - ρ) g², then w = w - rate × g / √(s + 1e-7).
 * @param rho ρ, 0 up to 1.
 * @param state from `save`; empty for a start at s = 0.
 */
export async function createRmsProp(tf: Tfjs, rho: number, state: Tensors): Promise<RmsProp> {
  const optimizer = tf.train.rmsprop(0, rho);
  if (state.size > 0) {
    const named = [...state].map(([name, { shape, data }]) => ({
      name,
      tensor: tf.tensor(data, [...shape], 'float32'),
    }));
    // The counter comes first and is read as an integer.
    await optimizer.setWeights(named);
    tf.dispose(named.map(({ tensor }) => tensor));
  }
  return {
    optimizer,
    setLearningRate(rate) {
      // A public setter is missing; the property is what every step reads.
      (optimizer as unknown as { learningRate: number }).learningRate = rate;
    },
    async save() {
      const named = await optimizer.getWeights();
      const tensors = await download(new Map(named.map(({ name, tensor }) => [name, tensor])));
      named[0]?.tensor.dispose(); // the counter is a copy, the others are the optimizer's own
      return new Map(
        [...tensors].map(([name, { shape, data }]) => [
          name,
          { shape, data: Float32Array.from(data) },
        ]),
      );
    },
    dispose: () => optimizer.dispose(),
  };
}
