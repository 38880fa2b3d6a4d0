import { join } from 'node:path';
import sharp from 'sharp';

const WIDTH = 1632;
const HEIGHT = 1224;
const DRAWN = 4;

/**
 * Draws photos of 2 megapixels with the grain of a camera: without it a JPEG decodes faster than a
 * real one of its size.
 * @returns their paths below `dir`.
 */
export function drawPhotos(dir: string): Promise<string[]> {
  return Promise.all(
    Array.from({ length: DRAWN }, async (_, index) => {
      const path = join(dir, `${index}.jpg`);
      const background = { r: 60 + 40 * index, g: 150, b: 200 - 40 * index };
      const noise = { type: 'gaussian' as const, mean: 128, sigma: 12 };
      const grain = await sharp({
        create: { width: WIDTH, height: HEIGHT, channels: 3, background, noise },
      })
        .png({ compressionLevel: 0 })
        .toBuffer();
      await sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background } })
        .composite([{ input: grain, blend: 'soft-light' }])
        .jpeg({ quality: 85 })
        .toFile(path);
      return path;
    }),
  );
}
