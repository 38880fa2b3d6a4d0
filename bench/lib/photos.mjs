import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** The sizes measured: a web photo, a phone's preview, a camera's full frame. */
export const SIZES = { '640x480': [640, 480], '2mp': [1632, 1224], '12mp': [4000, 3000] };

/** Every photo of a folder and those below it, in order. @throws where there is none. */
export async function photosBelow(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && /\.(jpe?g|png|webp)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  if (files.length === 0) throw new Error(`no photos below ${dir}`);
  return files;
}

/**
 * Writes `count` baseline JPEGs of each size below `out/<size>/`, cut from real photos. An enlarged
 * photo decodes faster than a real one of its size, so the grain of a camera is added: about 2 bits
 * a pixel at quality 85.
 * @returns size name → paths
 */
export async function makePhotos(from, out, count) {
  const files = await photosBelow(from);
  const step = Math.max(1, Math.floor(files.length / count));
  const chosen = Array.from({ length: count }, (_, i) => files[(i * step) % files.length]);
  const made = {};
  for (const [name, [width, height]] of Object.entries(SIZES)) {
    const dir = join(out, name);
    await mkdir(dir, { recursive: true });
    const noise = await sharp({
      create: {
        ...{ width, height, channels: 3, background: '#808080' },
        noise: { type: 'gaussian', mean: 128, sigma: 18 },
      },
    })
      .png({ compressionLevel: 0 })
      .toBuffer();
    made[name] = [];
    for (const [index, file] of chosen.entries()) {
      const path = join(dir, `${String(index).padStart(3, '0')}.jpg`);
      await sharp(file)
        .resize(width, height, { fit: 'cover' })
        .toColourspace('srgb')
        .removeAlpha()
        .composite([{ input: noise, blend: 'soft-light' }])
        .jpeg({ quality: 85 })
        .toFile(path);
      made[name].push(path);
    }
  }
  return made;
}
