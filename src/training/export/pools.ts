import type { ExportLayer } from '../../inference/engines/float-graph.ts';
import type { Layer } from '../../inference/network/inceptionv3.ts';

export type PoolLayer = ExportLayer & { readonly kind: 'avgPool' | 'maxPool' };

/**
 * Moves each average pool behind the 1×1 convolution that alone reads it: the average of weighted
 * sums is the weighted sum of averages, edges included, because no padding is counted. ReLU stays
 * last. The convolution has 4 to 10 times fewer outputs than inputs, so the pool becomes that much
 * cheaper.
 */
export function poolsBehindConvolutions(layers: readonly Layer[]): readonly ExportLayer[] {
  const out: ExportLayer[] = [];
  const moved = new Map<string, PoolLayer>();
  for (const layer of layers) {
    const pool = layer.kind === 'conv' ? moved.get(layer.from) : undefined;
    if (layer.kind === 'conv' && pool) {
      const sum = `${layer.name}_unpooled`;
      out.push(
        { ...layer, name: sum, from: pool.from, weights: layer.name, rectified: false },
        { ...pool, name: layer.name, from: sum, rectified: true },
      );
    } else if (layer.kind === 'avgPool' && readByPointwiseOnly(layers, layer.name)) {
      moved.set(layer.name, layer);
    } else {
      out.push(layer);
    }
  }
  return out;
}

function readByPointwiseOnly(layers: readonly Layer[], name: string): boolean {
  const [reader, ...others] = layers.filter(({ from }) =>
    typeof from === 'string' ? from === name : from.includes(name),
  );
  return (
    reader?.kind === 'conv' &&
    others.length === 0 &&
    reader.kernel.join() === '1,1' &&
    reader.stride === 1
  );
}
