import { join } from 'node:path';
import type { ModelBundle } from './bundle.ts';
import { INPUT, inceptionV3, type Layer } from './inceptionv3.ts';
import { readSafetensors, type Tensors } from './safetensors.ts';

/** Output channels (or units) of every layer, by name. The input has three. */
export function layerChannels(layers: readonly Layer[]): ReadonlyMap<string, number> {
  const channels = new Map<string, number>([[INPUT, 3]]);
  const of = (name: string): number => {
    const found = channels.get(name);
    if (found === undefined) throw new Error(`layer "${name}" is read before it is made`);
    return found;
  };
  for (const layer of layers) {
    if (layer.kind === 'conv') channels.set(layer.name, layer.filters);
    else if (layer.kind === 'dense') channels.set(layer.name, layer.units);
    else if (layer.kind === 'concat') {
      channels.set(
        layer.name,
        layer.from.reduce((sum, name) => sum + of(name), 0),
      );
    } else channels.set(layer.name, of(layer.from));
  }
  return channels;
}

/** Shape of every weight that `layers` need: HWIO kernels, [in, out] for dense; biases [out]. */
export function weightShapes(layers: readonly Layer[]): ReadonlyMap<string, readonly number[]> {
  const channels = layerChannels(layers);
  const shapes = new Map<string, readonly number[]>();
  for (const layer of layers) {
    if (layer.kind !== 'conv' && layer.kind !== 'dense') continue;
    const input = channels.get(layer.from) as number;
    const output = channels.get(layer.name) as number;
    const kernel = layer.kind === 'conv' ? [...layer.kernel, input, output] : [input, output];
    shapes.set(`${layer.name}/kernel`, kernel);
    shapes.set(`${layer.name}/bias`, [output]);
  }
  return shapes;
}

/** @throws Error that names the first weight that is missing or has another shape. */
export function checkWeights(layers: readonly Layer[], weights: Tensors): void {
  for (const [name, shape] of weightShapes(layers)) {
    const found = weights.get(name);
    if (!found) throw new Error(`weight ${name} is missing`);
    if (found.shape.join() !== shape.join()) {
      throw new Error(`weight ${name} has shape [${found.shape}], not [${shape}]`);
    }
  }
}

/** The bundle's layers and canonical weights, checked against each other. */
export async function loadWeights(
  bundle: ModelBundle,
): Promise<{ readonly layers: readonly Layer[]; readonly weights: Tensors }> {
  const path = join(bundle.dir, bundle.manifest.files.weights);
  const layers = inceptionV3(bundle.manifest.labels.length);
  const weights = await readSafetensors(path);
  try {
    checkWeights(layers, weights);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
  return { layers, weights };
}
