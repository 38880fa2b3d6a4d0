import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import wabt from 'wabt';
import { INPUT_SIZE } from '../../../src/inference/network/inceptionv3.ts';
import { isResampled, type Picture, resampler } from '../../../src/inference/resample/resample.ts';
import { CODE } from '../../../src/inference/resample/sums.ts';
import { turn } from '../../../src/inference/resample/turn.ts';

const BYTES = INPUT_SIZE * INPUT_SIZE * 3;

/** Noise: every weight of every pixel shows. */
function noise(width: number, height: number, rowBytes = width * 3): Picture {
  let state = width * 7919 + height;
  const pixels = new Uint8Array(rowBytes * height);
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    pixels[i] = state >> 16;
  }
  return { pixels, width, height, rowBytes };
}

/** Black and white in turn, where sums fall below 0 and rise above 255. */
function stripes(width: number, height: number): Picture {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    (Math.floor(i / 12) + Math.floor(i / (width * 9))) % 2 ? 255 : 0,
  );
  return { pixels, width, height, rowBytes: width * 3 };
}

function ours(picture: Picture, orientation = 1): Buffer {
  const to = Buffer.alloc(BYTES);
  turn(resampler()?.(picture) as Uint8Array, orientation, to);
  return to;
}

function sharps({ pixels, width, height, rowBytes }: Picture): Promise<Buffer> {
  return sharp(pixels, { raw: { width: rowBytes / 3, height, channels: 3 } })
    .extract({ left: 0, top: 0, width, height })
    .resize(INPUT_SIZE, INPUT_SIZE, { fit: 'fill', kernel: 'lanczos3' })
    .raw()
    .toBuffer();
}

/** The first byte that differs, or -1; a comparison of vitest's would take a second to say it. */
const firstDifference = (a: Buffer, b: Buffer) =>
  a.equals(b) ? -1 : a.findIndex((byte, i) => byte !== b[i]);

describe("gives sharp's bytes", () => {
  it.each([
    [300, 300],
    [320, 300],
    [400, 300],
    [408, 306],
    [500, 375],
    [598, 897], // twice and three times: every pixel of the result has the same weights
    [640, 480],
    [1195, 301],
    [301, 1195],
    [1195, 1195],
  ])('%i × %i', async (width, height) => {
    for (const picture of [noise(width, height), stripes(width, height)]) {
      expect(firstDifference(ours(picture), await sharps(picture))).toBe(-1);
    }
  });

  it('for every eleventh width with some height', async () => {
    for (let width = 300; width < 1196; width += 11) {
      const picture = noise(width, 300 + ((width * 37) % 896));
      expect([width, firstDifference(ours(picture), await sharps(picture))]).toEqual([width, -1]);
    }
  });

  it('of a part of longer rows', async () => {
    const picture = noise(400, 300, 401 * 3);
    expect(firstDifference(ours(picture), await sharps(picture))).toBe(-1);
  });

  it('whatever was resampled before', async () => {
    const small = noise(320, 310);
    ours(noise(1195, 1195));
    expect(firstDifference(ours(small), await sharps(small))).toBe(-1);
  });
});

it.each([2, 3, 4, 5, 6, 7, 8])('turns by orientation %i as sharp does', async (orientation) => {
  const picture = noise(400, 300);
  const stored = await sharp(ours(picture), {
    raw: { width: INPUT_SIZE, height: INPUT_SIZE, channels: 3 },
  })
    .withMetadata({ orientation })
    .tiff({ compression: 'lzw' })
    .toBuffer();
  const turned = await sharp(stored).autoOrient().raw().toBuffer();
  expect(firstDifference(ours(picture, orientation), turned)).toBe(-1);
});

it.each([
  [299, 400, false], // libvips leaves such a side alone
  [400, 299, false],
  [300, 300, true],
  [1195, 1195, true],
  [1196, 400, false], // it would begin with averages
  [400, 1196, false],
  [200, 400, false], // to be enlarged
])('a picture of %i × %i: %s', (width, height, taken) => {
  expect(isResampled({ width, height })).toBe(taken);
});

it('is not there where WebAssembly is not, or lacks something, and is asked for once', async () => {
  const Module = vi.fn(() => {
    throw new Error('invalid instruction');
  });
  vi.stubGlobal('WebAssembly', { Module });
  vi.resetModules();
  onTestFinished(() => {
    vi.unstubAllGlobals();
    vi.resetModules();
  });
  const { resampler } = await import('../../../src/inference/resample/resample.ts');
  expect([resampler(), resampler()]).toEqual([null, null]);
  expect(Module).toHaveBeenCalledOnce();
});

it('is what its source says', async () => {
  const { parseWat } = await wabt();
  // The parser reads all of the memory behind a Buffer, which others may share.
  const text = Uint8Array.from(
    readFileSync(new URL('../../../src/inference/resample/sums.wat', import.meta.url)),
  );
  const { buffer } = parseWat('sums.wat', text, { simd: true }).toBinary({});
  expect(CODE).toBe(Buffer.from(buffer).toString('base64'));
});
