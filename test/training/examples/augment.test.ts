import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  type AugmentPlan,
  augment,
  drawAugmentation,
} from '../../../src/training/examples/augment.ts';
import { random } from '../../../src/training/random.ts';

const NEUTRAL: AugmentPlan = {
  ...{ flip: false, crop: [0, 0, 1, 1], shrink: null, brightness: 1, saturation: 1, hue: 0 },
  ...{ contrast: 1, gains: [1, 1, 1], grey: false, blur: null, quality: 95 },
};

/** Left half red, right half blue. */
async function photo(format: 'jpeg' | 'png' = 'png', channels: 3 | 4 = 3): Promise<Buffer> {
  const width = 200;
  const pixels = Buffer.alloc(width * 100 * channels, 255);
  for (let i = 0; i < width * 100; i++) {
    const left = i % width < width / 2;
    pixels.set(left ? [255, 0, 0] : [0, 0, 255], i * channels);
  }
  return sharp(pixels, { raw: { width, height: 100, channels } })
    .toFormat(format)
    .toBuffer();
}

async function decode(jpeg: Buffer) {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
  return { ...info, at };
}

describe('drawAugmentation', () => {
  test('the same stream draws the same plan; some photos stay as they are', () => {
    const plans = Array.from({ length: 400 }, (_, i) => drawAugmentation(random(1, i)));
    expect(plans[7]).toEqual(drawAugmentation(random(1, 7)));
    const plain = plans.filter((plan) => plan === null).length / plans.length;
    expect(plain).toBeGreaterThan(0.06);
    expect(plain).toBeLessThan(0.2);
    for (const plan of plans) {
      if (!plan) continue;
      const [left, top, width, height] = plan.crop;
      expect(left + width).toBeLessThanOrEqual(1 + 1e-9);
      expect(top + height).toBeLessThanOrEqual(1 + 1e-9);
      expect(width * height).toBeGreaterThan(0.3);
    }
  });
});

describe('augment', () => {
  test('takes what serving takes: HEIC, and JPEGs with warnings that do no harm', async () => {
    const heic = await readFile('test/fixtures/formats/phone.heic');
    const shown = await decode(await augment(heic, NEUTRAL));
    expect(Math.max(shown.width, shown.height)).toBeLessThanOrEqual(640);
    const jpeg = await photo('jpeg');
    const scan = jpeg.indexOf(Buffer.from([0xff, 0xda]));
    // Spectral selection of a sequential JPEG must be 0 to 63.
    jpeg[scan + 2 + jpeg.readUInt16BE(scan + 2) - 2] = 0;
    const { at } = await decode(await augment(jpeg, NEUTRAL));
    expect(at(20, 50)[0]).toBeGreaterThan(230);
  });

  test('a neutral plan keeps the picture', async () => {
    const { width, height, at } = await decode(await augment(await photo(), NEUTRAL));
    expect([width, height]).toEqual([200, 100]);
    expect(at(20, 50)[0]).toBeGreaterThan(230);
    expect(at(180, 50)[2]).toBeGreaterThan(230);
  });

  test('flips, crops, shrinks and takes the colour away', async () => {
    const flipped = await decode(await augment(await photo(), { ...NEUTRAL, flip: true }));
    expect(flipped.at(20, 50)[2]).toBeGreaterThan(230);
    const cropped = await augment(await photo(), { ...NEUTRAL, crop: [0.5, 0, 0.5, 1] });
    const right = await decode(cropped);
    expect([right.width, right.height]).toEqual([100, 100]);
    expect(right.at(10, 50)[2]).toBeGreaterThan(230);
    const small = await decode(await augment(await photo(), { ...NEUTRAL, shrink: 96 }));
    expect([small.width, small.height]).toEqual([96, 48]);
    const grey = await decode(await augment(await photo(), { ...NEUTRAL, grey: true }));
    const [red = 0, green = 0, blue = 0] = grey.at(20, 50);
    expect(Math.max(red, green, blue) - Math.min(red, green, blue)).toBeLessThan(12);
  });

  test('takes transparent and greyscale photos, with every plan that is drawn', async () => {
    const grey = await sharp(await photo())
      .grayscale()
      .jpeg()
      .toBuffer();
    for (const input of [grey, await photo('png', 4), await photo('jpeg')]) {
      for (let n = 0; n < 12; n++) {
        const plan = drawAugmentation(random(2, n)) ?? NEUTRAL;
        const { format } = await sharp(await augment(input, plan)).metadata();
        expect(format).toBe('jpeg');
      }
    }
  });
});
