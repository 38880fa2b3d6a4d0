import type { ExportLayer } from '../../inference/engines/float-graph.ts';

/**
 * Which layers' outputs share one scale. A concatenation has one scale for all of its channels, so
 * what only it reads is written in that scale in the first place; a maximum keeps its input's.
 */
export interface ScalePlan {
  /** Layers to calibrate: each stands for itself and for all that share its scale. */
  readonly measured: readonly string[];
  /** The measured layer whose scale a layer's output has, by layer name. */
  readonly scaleOf: ReadonlyMap<string, string>;
}

export function planScales(layers: readonly ExportLayer[]): ScalePlan {
  const readers = new Map<string, ExportLayer[]>();
  for (const layer of layers) {
    for (const name of typeof layer.from === 'string' ? [layer.from] : layer.from) {
      readers.set(name, [...(readers.get(name) ?? []), layer]);
    }
  }
  const scaleOf = new Map<string, string>();
  // Backwards, because a layer may take over the scale of the concatenation that reads it.
  for (const layer of layers.toReversed()) {
    if (!isQuantized(layer)) continue;
    const [reader, ...others] = readers.get(layer.name) ?? [];
    const shared = reader?.kind === 'concat' && others.length === 0;
    scaleOf.set(layer.name, shared ? (scaleOf.get(reader.name) as string) : layer.name);
  }
  for (const layer of layers) {
    if (layer.kind === 'maxPool') scaleOf.set(layer.name, scaleOf.get(layer.from) as string);
  }
  return { measured: [...new Set(scaleOf.values())], scaleOf };
}

/** The head stays in float32: it is small, and its inputs are averages worth more than 8 bits. */
export function isQuantized(layer: ExportLayer): boolean {
  return (
    layer.kind === 'conv' ||
    layer.kind === 'maxPool' ||
    layer.kind === 'avgPool' ||
    layer.kind === 'concat'
  );
}
