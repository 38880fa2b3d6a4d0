import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '../../src/inference/bundle.ts';
import { INPUT_SIZE } from '../../src/inference/network/inceptionv3.ts';
import { encodeSafetensors } from '../../src/inference/network/safetensors.ts';
import { exportInt8 } from '../../src/training/export/int8-graph.ts';
import { randomPixels, randomWeights, tinyNetwork } from '../training/export/tiny-network.ts';

export const LABELS = ['bedroom', 'bathroom', 'balcony', 'kitchen', 'hall', 'others'];

/** The same for all of a test file: it takes a quarter of a second to make. */
let made: ReturnType<typeof tinyModel> | undefined;

async function tinyModel(): Promise<Record<string, Uint8Array>> {
  const layers = tinyNetwork(LABELS.length);
  const weights = randomWeights(layers);
  const calibration = Array.from({ length: 3 }, (_, i) => randomPixels(INPUT_SIZE, i));
  return {
    'weights.safetensors': encodeSafetensors(weights, 'F16'),
    'int8.onnx': await exportInt8({ layers, weights, calibration }),
  };
}

/**
 * A model folder like the bundled one, of a network a thousand times smaller with random weights:
 * tests of the engines and of the worker need what a model does, not what it knows.
 */
export async function writeTinyBundle(): Promise<{ dir: string; remove(): Promise<void> }> {
  made ??= tinyModel();
  const files = await made;
  const manifest: Manifest = {
    ...{ format: 1, name: 'tiny', version: '7', labels: LABELS, temperature: 1.5 },
    thresholds: Object.fromEntries(LABELS.map((label) => [label, 0])),
    files: { weights: 'weights.safetensors', int8: 'int8.onnx' },
    sha256: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [
        name,
        createHash('sha256').update(bytes).digest('hex'),
      ]),
    ),
  };
  const dir = await mkdtemp(join(tmpdir(), 'retagger-tiny-'));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, name), bytes);
  await writeFile(join(dir, 'model.json'), JSON.stringify(manifest));
  return { dir, remove: () => rm(dir, { recursive: true }) };
}
