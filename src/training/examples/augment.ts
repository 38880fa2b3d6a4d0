import sharp from 'sharp';
import { besideOthers } from '../../inference/decoders/libvips.ts';
import { usePhoto } from '../../inference/decoders/open-photo.ts';
import { TRAINING_LIMITS } from '../data/dataset.ts';
import type { Random } from '../random.ts';

/**
 * Random changes that keep a photo's label. They are drawn without regard to the class, so that
 * neither resolution, blur, colour nor compression can stand for one.
 *
 * The result is a JPEG again, which then goes through the same `preprocess` as every photo that is
 * served.
 */
export interface AugmentPlan {
  readonly flip: boolean;
  /** Fractions of width and height: left, top, width, height. */
  readonly crop: readonly [number, number, number, number];
  /** Longest side in pixels it is shrunk to, or null. */
  readonly shrink: number | null;
  readonly brightness: number;
  readonly saturation: number;
  /** Degrees. */
  readonly hue: number;
  /** Contrast: factor around middle grey. */
  readonly contrast: number;
  /** Gains of red, green, blue: white balance. */
  readonly gains: readonly [number, number, number];
  readonly grey: boolean;
  /** Gaussian sigma in pixels, or null. */
  readonly blur: number | null;
  /** JPEG quality, 1..100. */
  readonly quality: number;
}

/** Draws a plan; null (1 in 8) leaves the photo as it is. */
export function drawAugmentation(random: Random): AugmentPlan | null {
  if (random.chance(1 / 8)) return null;
  const area = random.between(0.45, 1);
  // Aspect within 3:4 to 4:3, since serving squeezes any aspect to a square.
  const aspect = Math.exp(random.between(-0.28, 0.28));
  const width = Math.min(1, Math.sqrt(area * aspect));
  const height = Math.min(1, Math.sqrt(area / aspect));
  const gain = () => random.between(0.88, 1.12);
  return {
    flip: random.chance(0.5),
    crop: [random.between(0, 1 - width), random.between(0, 1 - height), width, height],
    shrink: random.chance(0.35) ? Math.round(random.between(96, 160)) : null,
    brightness: random.between(0.8, 1.2),
    saturation: random.between(0.6, 1.4),
    hue: Math.round(random.between(-12, 12)),
    contrast: random.between(0.8, 1.2),
    gains: [gain(), gain(), gain()],
    grey: random.chance(0.08),
    blur: random.chance(0.15) ? random.between(0.4, 1.8) : null,
    quality: random.chance(0.5) ? Math.round(random.between(25, 80)) : 92,
  };
}

/**
 * @param bytes a photo in any format that `preprocess` reads.
 * @returns a JPEG, longest side at most 640 pixels.
 */
export async function augment(bytes: Buffer, plan: AugmentPlan): Promise<Buffer> {
  // Large photos are shrunk first: their detail is lost at 299 pixels anyway.
  const { data, info } = await usePhoto(
    bytes,
    TRAINING_LIMITS.pixels,
    (image) => image.resize(640, 640, { fit: 'inside', withoutEnlargement: true }),
    (image) =>
      image
        .flatten({ background: '#ffffff' })
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true }),
  );
  const [x, y, w, h] = plan.crop;
  const left = Math.floor(x * info.width);
  const top = Math.floor(y * info.height);
  const width = Math.max(1, Math.min(info.width - left, Math.round(w * info.width)));
  const height = Math.max(1, Math.min(info.height - top, Math.round(h * info.height)));
  let image = sharp(data, {
    raw: { width: info.width, height: info.height, channels: 3 },
  }).extract({ left, top, width, height });
  if (plan.flip) image = image.flop();
  if (plan.shrink) image = image.resize(plan.shrink, plan.shrink, { fit: 'inside' });
  image = image.modulate({
    brightness: plan.brightness,
    // Not grayscale(): it leaves one channel, for which there are no three gains.
    saturation: plan.grey ? 0 : plan.saturation,
    hue: plan.hue,
  });
  const offset = 128 * (1 - plan.contrast);
  image = image.linear(
    plan.gains.map((gain) => (plan.grey ? 1 : gain) * plan.contrast),
    [offset, offset, offset],
  );
  if (plan.blur) image = image.blur(plan.blur);
  const done = image.jpeg({ quality: plan.quality });
  return besideOthers(() => done.toBuffer());
}
