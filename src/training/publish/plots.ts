import { join } from 'node:path';
import { writeFileSafely } from '../files.ts';
import { confusionMatrix } from '../plot/confusion-matrix.ts';
import { learningCurve } from '../plot/learning-curve.ts';
import type { Published } from './published.ts';

/** `learning-curve.png`, where anything was trained, and `confusion.png` in the model folder. */
export async function drawPlots({ dir, manifest, history, validation }: Published): Promise<void> {
  if (history.length > 0) {
    await writeFileSafely(join(dir, 'learning-curve.png'), await learningCurve(history));
  }
  const confusion = await confusionMatrix(manifest.labels, validation.confusion);
  await writeFileSafely(join(dir, 'confusion.png'), confusion);
}
