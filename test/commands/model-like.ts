import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BUNDLED = resolve('models/retagger-inceptionv3');

/**
 * The bundled model in a folder of its own, with another threshold for every label or a damaged file.
 */
export function modelLike(other: { threshold?: number; damaged?: string }): string {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-model-'));
  for (const name of readdirSync(BUNDLED)) symlinkSync(join(BUNDLED, name), join(dir, name));
  const write = (name: string, text: string) => {
    rmSync(join(dir, name));
    writeFileSync(join(dir, name), text);
  };
  const { threshold, damaged } = other;
  if (threshold !== undefined) {
    const manifest = JSON.parse(readFileSync(join(BUNDLED, 'model.json'), 'utf8'));
    const labels: string[] = manifest.labels;
    const thresholds = Object.fromEntries(labels.map((label) => [label, threshold]));
    write('model.json', JSON.stringify({ ...manifest, thresholds }));
  }
  if (damaged) write(damaged, 'damaged');
  return dir;
}
