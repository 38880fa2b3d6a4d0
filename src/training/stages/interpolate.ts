import type { Tensor, Tensors } from '../../inference/network/safetensors.ts';

/**
 * Weights on the line between two networks of one kind: `share` of `base`, the rest of `trained`.
 * What the base lacks, or has in another shape (a head for other labels), is left as trained.
 */
export function interpolate(trained: Tensors, base: Tensors, share: number): Tensors {
  if (share === 0) return trained;
  return new Map(
    [...trained].map(([name, { shape, data }]): [string, Tensor] => {
      const other = base.get(name);
      if (other?.shape.join() !== shape.join()) return [name, { shape, data }];
      const mixed = data.map((value, i) => (1 - share) * value + share * (other.data[i] as number));
      return [name, { shape, data: mixed }];
    }),
  );
}
