import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePhotos } from './photos.mjs';

const REQUIREMENTS = fileURLToPath(new URL('../peers/requirements.txt', import.meta.url));
const QUANTIZE = fileURLToPath(new URL('../peers/quantize.py', import.meta.url));
const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);

/**
 * What the comparison needs, made once below `cache`: a virtual environment with the peers' packages,
 * the bundled network in the peers' formats, and the photos.
 * @returns paths
 */
export async function setUp({ cache, photos, count }) {
  await mkdir(cache, { recursive: true });
  const python = pythonWith(join(cache, 'venv'));
  const model = await writeModel(cache);
  const made = await makePhotos(photos, join(cache, 'photos'), count);
  const qdq = join(cache, 'qdq.onnx');
  // OpenVINO does not read the operators of our int8 graph.
  execFileSync(python, [QUANTIZE, model.f32, qdq, ...Object.values(made)[0]], { stdio: 'ignore' });
  return { python, ...model, qdq, photos: made };
}

function pythonWith(venv) {
  const python = join(venv, 'bin', 'python');
  const stamp = join(venv, 'requirements.sha256');
  const wanted = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return python;
  process.stderr.write('installing the peers (about 1 GB, once)\n');
  execFileSync('python3', ['-m', 'venv', venv], { stdio: 'inherit' });
  const pip = ['-m', 'pip', 'install', '--quiet', '-r', REQUIREMENTS];
  execFileSync(python, pip, { stdio: 'inherit' });
  writeFileSync(stamp, wanted);
  return python;
}

async function writeModel(cache) {
  const { inceptionV3 } = await load('inference/network/inceptionv3.js');
  const { loadBundle, BUNDLED_MODEL_DIR } = await load('inference/bundle.js');
  const { readSafetensors } = await load('inference/network/safetensors.js');
  const { exportF32 } = await load('inference/engines/float-graph.js');
  const { dir, manifest } = await loadBundle(BUNDLED_MODEL_DIR);
  const layers = inceptionV3(manifest.labels.length);
  const weights = join(dir, manifest.files.weights);
  const paths = { layers: join(cache, 'layers.json'), f32: join(cache, 'f32.onnx') };
  writeFileSync(paths.layers, JSON.stringify(layers));
  writeFileSync(paths.f32, exportF32({ layers, weights: await readSafetensors(weights) }));
  return { ...paths, weights, int8: join(dir, manifest.files.int8), labels: manifest.labels };
}
