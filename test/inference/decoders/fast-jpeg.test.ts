import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { shrinkOf } from '../../../src/inference/decoders/fast-jpeg.ts';
import type { DecodeJpeg, Wanted } from '../../../src/inference/decoders/turbojpeg.ts';
import { findTurbojpeg } from '../../../src/inference/decoders/turbojpeg-path.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { inShort, jpegOf, patchedBehind, withOrientation, withSegment } from '../jpegs.ts';

/**
 * The way of a JPEG round sharp's decoder, with another in TurboJPEG's place: these need no library.
 * With it, see `turbojpeg.full.test.ts`.
 */

const LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const BY_SHARP = Promise.resolve(null);
/** What becomes of a photo, in words. */
const fateOf = (bytes: Buffer, decode: Promise<DecodeJpeg | null>, limits = LIMITS) =>
  preprocess(bytes, limits, decode).then(inShort, String);

/** Decodes as the library does where nothing is to be shrunk, and notes what it was asked for. */
function standIn(answers = true) {
  const asked: Wanted[] = [];
  const decode: DecodeJpeg = async (bytes, wanted) => {
    asked.push(wanted);
    if (!answers) return null;
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    return { pixels: data, width: info.width, height: info.height, release() {} };
  };
  return { asked, decode: Promise.resolve(decode) };
}

const jpeg = await jpegOf(320, 240);

describe.each([
  ['too small to be resampled by us', 320, 240],
  ['resampled by us', 400, 310],
])('%s', (_how, width, height) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns orientation %i as sharp does', async (orientation) => {
    const turned = withOrientation(await jpegOf(width, height), orientation);
    const { asked, decode } = standIn();
    expect(await fateOf(turned, decode)).toBe(await fateOf(turned, BY_SHARP));
    expect(asked).toEqual([{ width, height, shrink: 1 }]);
  });
});

it('leaves to sharp what the decoder does not take', async () => {
  const { asked, decode } = standIn(false);
  expect(await fateOf(jpeg, decode)).toBe(await fateOf(jpeg, BY_SHARP));
  expect(asked).toHaveLength(1);
});

describe('is not asked for', async () => {
  it.each<[string, Buffer]>([
    ['a colour profile', await sharp(jpeg).withIccProfile('p3').jpeg().toBuffer()],
    ['no pixels at all', patchedBehind(jpeg, 0xc0, 5, [0, 0])],
    ['an orientation in doubt', withOrientation(jpeg, 9)],
    ['a progressive JPEG', await jpegOf(64, 64, { progressive: true })],
    ['no frame', withSegment(Buffer.of(0xff, 0xd8), 0xe0, 'JFIF')],
    ['a PNG', await sharp(jpeg).png().toBuffer()],
  ])('%s', async (_name, bytes) => {
    const { asked, decode } = standIn();
    expect(await fateOf(bytes, decode)).toBe(await fateOf(bytes, BY_SHARP));
    expect(asked).toEqual([]);
  });

  it('more pixels than allowed: sharp has the words for that', async () => {
    const { asked, decode } = standIn();
    const limits = { ...LIMITS, pixels: 320 * 240 - 1 };
    await expect(preprocess(jpeg, limits, decode)).rejects.toMatchObject({
      code: 'image_too_large',
      message: expect.stringContaining('320 × 240'),
    });
    expect(asked).toEqual([]);
    await preprocess(jpeg, { ...LIMITS, pixels: 320 * 240 }, decode);
    expect(asked).toHaveLength(1);
  });

  it('a picture that would still be large when shrunk', async () => {
    const { asked, decode } = standIn();
    await preprocess(await jpegOf(190, 30_000, { quality: 20 }), LIMITS, decode);
    expect(asked).toEqual([]);
  });
});

it.each([
  [1, 1, 1],
  [299, 5000, 1],
  [597, 597, 1],
  [598, 598, 1], // twice the input would leave no pixel to spare
  [897, 897, 2],
  [1195, 1600, 2],
  [1632, 1224, 2], // 4.09
  [1495, 1495, 4],
  [4032, 3024, 8],
  [2392, 2392, 4],
  [3000, 2690, 4],
  [3000, 2691, 8],
])('%i × %i is shrunk by %i', (width, height, shrink) => {
  expect(shrinkOf(width, height)).toBe(shrink);
});

it('finds the library by its file', () => {
  expect(findTurbojpeg([])).toBeNull();
  expect(findTurbojpeg(['/nowhere'])).toBeNull();
});
