import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { random } from '../../src/training/random.ts';

const SIDE = 160;

/** What tells the classes apart: stripes, a chessboard or a disc, in any colours. */
const PATTERNS: Record<string, (x: number, y: number, scale: number) => boolean> = {
  stripes: (x, _, scale) => Math.floor(x / scale) % 2 === 0,
  chessboard: (x, y, scale) => (Math.floor(x / scale) + Math.floor(y / scale)) % 2 === 0,
  disc: (x, y, scale) => (x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2 < (scale * 3.5) ** 2,
};
export const PATTERN_LABELS: readonly string[] = Object.keys(PATTERNS).sort();

/** Draws `DIR/<label>/NN.jpg`, the same ones every time. */
export async function drawPhotos(dir: string, perLabel: number): Promise<void> {
  for (const label of PATTERN_LABELS) {
    await mkdir(join(dir, label), { recursive: true });
    for (let n = 0; n < perLabel; n++) {
      const stream = random(1, label, n);
      const colour = () => [0, 1, 2].map(() => stream.integer(256));
      const [front, back] = [colour(), colour()];
      const scale = stream.between(9, 20);
      const pixels = new Uint8Array(SIDE * SIDE * 3);
      for (let y = 0; y < SIDE; y++) {
        for (let x = 0; x < SIDE; x++) {
          const chosen = PATTERNS[label]?.(x, y, scale) ? front : back;
          pixels.set(chosen, (y * SIDE + x) * 3);
        }
      }
      await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
        .jpeg({ quality: 90 })
        .toFile(join(dir, label, `${String(n).padStart(2, '0')}.jpg`));
    }
  }
}
