import { join } from 'node:path';
import type { ModelBundle } from '../bundle.ts';
import { inceptionV3, type Layer } from './inceptionv3.ts';
import { readSafetensors, type Tensors } from './safetensors.ts';
import { layerShapes } from './shapes.ts';

/** Shape of every weight that `layers` need: HWIO kernels, [in, out] for dense; biases [out]. */
export function weightShapes(layers: readonly Layer[]): ReadonlyMap<string, readonly number[]> {
  const outputs = layerShapes(layers);
  const shapes = new Map<string, readonly number[]>();
  for (const layer of layers) {
    if (layer.kind !== 'conv' && layer.kind !== 'dense') continue;
    const input = outputs.get(layer.from)?.[2] as number;
    const output = outputs.get(layer.name)?.[2] as number;
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
