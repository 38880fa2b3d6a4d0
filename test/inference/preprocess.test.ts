import { execFileSync } from 'node:child_process';
import { mkdtempSync, symlinkSync } from 'node:fs';
import { open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type Create, type Sharp } from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { preprocess } from '../../src/inference/preprocess.ts';
import { type TiffTag, tiffOf } from './tiff.ts';

const LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

/** Four quarters, so that every turn and flip shows: red, green / blue, white. */
const QUARTERS = [
  [200, 30, 30],
  [30, 160, 30],
  [40, 40, 200],
  [230, 230, 230],
] as const;

async function quarters(width = 160, height = 120): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = QUARTERS[(y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1)];
      pixels.set(colour as readonly number[], (y * width + x) * 3);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const at = (pixels: Uint8Array, x: number, y: number) => [
  ...pixels.subarray((y * 299 + x) * 3, (y * 299 + x) * 3 + 3),
];
/** The middles of the four quarters. */
const seen = (pixels: Uint8Array) =>
  [at(pixels, 74, 74), at(pixels, 224, 74), at(pixels, 74, 224), at(pixels, 224, 224)] as const;

function expectColours(
  pixels: Uint8Array,
  expected: readonly (readonly number[])[],
  tolerance: number,
) {
  for (const [i, colour] of seen(pixels).entries()) {
    for (const [c, value] of colour.entries()) {
      const wanted = expected[i]?.[c] as number;
      expect(Math.abs(value - wanted), `quarter ${i}: ${colour}`).toBeLessThanOrEqual(tolerance);
    }
  }
}

describe('formats', async () => {
  const png = await quarters();
  const make = () => sharp(png);
  const avif = () => make().avif({ quality: 90, effort: 2 }).toBuffer();
  const withBrand = (heif: Buffer, brand: string) =>
    Buffer.concat([heif.subarray(0, 8), Buffer.from(brand), heif.subarray(12)]);
  const grey = QUARTERS.map(([r, g, b]) => {
    const luma = 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2;
    return [1, 1, 1].map(() => luma ** (1 / 2.2));
  });

  it.each<[string, Buffer, number]>([
    ['PNG', png, 1],
    ['PNG, palette', await make().png({ palette: true }).toBuffer(), 4],
    ['PNG, interlaced', await make().png({ progressive: true }).toBuffer(), 1],
    ['PNG, 16 bits', await make().toColourspace('rgb16').png().toBuffer(), 2],
    ['JPEG', await make().jpeg({ quality: 95 }).toBuffer(), 4],
    ['JPEG, progressive', await make().jpeg({ quality: 95, progressive: true }).toBuffer(), 4],
    ['WebP', await make().webp({ quality: 95 }).toBuffer(), 8],
    ['WebP, lossless', await make().webp({ lossless: true }).toBuffer(), 1],
    ['AVIF', await avif(), 8],
    ['AVIF, a sequence’s brand', withBrand(await avif(), 'avis'), 8],
    ['GIF', await make().gif().toBuffer(), 6],
    ['TIFF', await make().tiff({ compression: 'lzw' }).toBuffer(), 1],
    ['BigTIFF', await make().tiff({ compression: 'lzw', bigtiff: true }).toBuffer(), 1],
    [
      'TIFF, 16 bits',
      await make().toColourspace('rgb16').tiff({ compression: 'none' }).toBuffer(),
      2,
    ],
  ])('%s', async (_name, bytes, tolerance) => {
    const { pixels, width, height } = await preprocess(bytes, LIMITS);
    expect([pixels.length, width, height]).toEqual([299 * 299 * 3, 160, 120]);
    expectColours(pixels, QUARTERS, tolerance);
  });

  it.each<[string, Buffer]>([
    ['JPEG', await make().greyscale().jpeg({ quality: 95 }).toBuffer()],
    ['PNG', await make().toColourspace('b-w').png().toBuffer()],
    ['PNG, 16 bits', await make().toColourspace('grey16').png().toBuffer()],
  ])('greyscale %s', async (_name, bytes) => {
    const { pixels } = await preprocess(bytes, LIMITS);
    expectColours(pixels, grey, 14);
    for (const [r, g, b] of seen(pixels)) expect([g, b]).toEqual([r, r]);
  });

  it('CMYK, as printers’ JPEGs are', async () => {
    const cmyk = await make().toColourspace('cmyk').jpeg({ quality: 95 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    // Ink does not reach these colours; red must still be red.
    expectColours((await preprocess(cmyk, LIMITS)).pixels, QUARTERS, 75);
  });

  it('the first frame of an animated GIF, the first page of a TIFF', async () => {
    const second = await sharp({
      create: { width: 160, height: 120, channels: 3, background: '#000' },
    })
      .png()
      .toBuffer();
    const gif = await sharp([png, second], { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif, { animated: true }).metadata()).pages).toBe(2);
    const { pixels, height } = await preprocess(gif, LIMITS);
    expect(height).toBe(120);
    expectColours(pixels, QUARTERS, 6);
  });

  it('what is transparent lies on white', async () => {
    const half = await make().ensureAlpha(0.5).png().toBuffer();
    const onWhite = QUARTERS.map((colour) => colour.map((value) => (value + 255) / 2));
    expectColours((await preprocess(half, LIMITS)).pixels, onWhite, 2);
  });

  it('a wide colour space is brought to sRGB', async () => {
    const p3 = await make().withIccProfile('p3').png().toBuffer();
    const raw = await sharp(p3, { ignoreIcc: true }).raw().toBuffer();
    // The file's own numbers differ; the colours do not.
    expect(Math.abs((raw[0] as number) - QUARTERS[0][0])).toBeGreaterThan(8);
    expectColours((await preprocess(p3, LIMITS)).pixels, QUARTERS, 2);
  });
});

describe('HEIC', () => {
  it('is decoded as the JPEG it was made from', async () => {
    const heic = await preprocess(fixture('formats/phone.heic'), LIMITS);
    const jpeg = await preprocess(fixture('rooms/bedroom.jpg'), LIMITS);
    expect([heic.width, heic.height]).toEqual([240, 180]);
    const difference = heic.pixels.reduce(
      (sum, value, i) => sum + Math.abs(value - (jpeg.pixels[i] as number)),
      0,
    );
    expect(difference / heic.pixels.length).toBeLessThan(6);
  });

  it('of a phone held upright is turned once, and its wide colours brought to sRGB', async () => {
    const { pixels, width, height } = await preprocess(fixture('formats/turned-p3.heic'), LIMITS);
    expect([width, height]).toEqual([120, 90]);
    expectColours(pixels, QUARTERS, 6);
  });

  it('is refused by its header where it is too large', async () => {
    await expectRefusal(fixture('formats/phone.heic'), 'image_too_large', {
      ...LIMITS,
      pixels: 240 * 180 - 1,
    });
  });

  it('that its container crops by much is not called damaged', async () => {
    const photo = await readFile(fixture('formats/turned-p3.heic'));
    // In the place of its colour profile: 16 × 16 pixels of its middle.
    const colours = photo.indexOf('colr');
    photo.write('clap', colours, 'latin1');
    [16, 1, 16, 1, 0, 1, 0, 1].forEach((value, n) => {
      photo.writeUInt32BE(value, colours + 4 + 4 * n);
    });
    await expectRefusal(photo, 'image_unsupported');
  });

  it('is damaged wherever it is cut off', async () => {
    const whole = await readFile(fixture('formats/phone.heic'));
    for (const part of [0.1, 0.3, 0.6, 0.9, 0.99]) {
      await expectRefusal(whole.subarray(0, whole.length * part), 'image_corrupt');
    }
  });
});

/**
 * What libheif says of a picture that is called another coding than it is. `unci` and `jpeg` tell that the decoder
 * was not built in (see SECURITY.md); the rest are refused before a decoder is asked for.
 */
describe('HEIF in another coding than HEVC', () => {
  it.each([
    ['unci', 'image_unsupported', "Image item of type 'unci' is not supported"],
    ['mski', 'image_unsupported', 'Unsupported data version'],
    ['jpeg', 'image_unsupported', 'has not been built in'],
    ['av01', 'image_corrupt', "No 'av1C' box"],
    ['avc1', 'image_corrupt', "No 'av1C' box"],
    ['vvc1', 'image_corrupt', "No 'av1C' box"],
    ['j2k1', 'image_corrupt', 'No j2kH box'],
  ] as const)('%s', async (coding, code, message) => {
    const bytes = await readFile(fixture('formats/phone.heic'));
    const item = bytes.indexOf('hvc1', bytes.indexOf('infe'));
    bytes.write(coding, item, 'latin1');
    await expect(preprocess(bytes, LIMITS)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});

describe('EXIF orientation', async () => {
  const upright = await quarters();
  // How a camera held so stores the scene: the inverse of what the number asks for.
  it.each<[number, (image: Sharp) => Sharp | Promise<Sharp>]>([
    [1, (image) => image],
    [2, (image) => image.flop()],
    [3, (image) => image.rotate(180)],
    [4, (image) => image.flip()],
    [5, async (image) => sharp(await image.rotate(90).toBuffer()).flop()],
    [6, (image) => image.rotate(270)],
    [7, async (image) => sharp(await image.rotate(270).toBuffer()).flop()],
    [8, (image) => image.rotate(90)],
  ])('%i is turned upright', async (orientation, store) => {
    const turned = await (await store(sharp(upright))).png().toBuffer();
    const jpeg = await sharp(turned).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer();
    const { pixels, width, height } = await preprocess(jpeg, LIMITS);
    expect([width, height]).toEqual([160, 120]);
    expectColours(pixels, QUARTERS, 6);
  });
});

describe('refusals', async () => {
  const jpeg = await sharp(await quarters(800, 600))
    .jpeg()
    .toBuffer();

  it.each<[string, string | Buffer, ErrorCode]>([
    ['an empty file', fixture('refused/empty.jpg'), 'image_corrupt'],
    ['a text named .jpg', fixture('refused/text.jpg'), 'image_unsupported'],
    ['a truncated JPEG', fixture('refused/truncated.jpg'), 'image_corrupt'],
    ['an SVG', fixture('refused/drawing.svg'), 'image_unsupported'],
    ['a PNG bomb', fixture('refused/bomb.png'), 'image_too_large'],
    ['a PDF', Buffer.from('%PDF-1.7\n%âãÏÓ\n'), 'image_unsupported'],
    [
      'a BMP',
      Buffer.from('BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0', 'latin1'),
      'image_unsupported',
    ],
    ['a video', Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42', 'latin1'), 'image_unsupported'],
    ['a folder', fixture('refused'), 'image_unsupported'],
    ['a device', '/dev/null', 'image_unsupported'],
    ['no file', fixture('refused/none.jpg'), 'file_missing'],
    ['a path that is too long', fixture('a'.repeat(300)), 'file_missing'],
    ['a link to itself', linkToItself(), 'file_missing'],
    ['a JPEG without its end', jpeg.subarray(0, -2), 'image_corrupt'],
    ['a JPEG header alone', jpeg.subarray(0, 400), 'image_corrupt'],
    ['a signature alone', jpeg.subarray(0, 3), 'image_corrupt'],
    ['a JPEG overwritten in the middle', overwritten(jpeg), 'image_corrupt'],
  ])('%s', async (_name, input, code) => {
    await expectRefusal(input, code);
  });

  it.each(['png', 'webp', 'gif', 'tiff', 'avif'] as const)('a truncated %s', async (format) => {
    const whole = await sharp(await quarters(400, 300))
      .toFormat(format)
      .toBuffer();
    for (const part of [0.02, 0.5, 0.95]) {
      await expectRefusal(whole.subarray(0, whole.length * part), 'image_corrupt');
    }
  });

  it('more bytes than allowed, given as bytes or as a file', async () => {
    const limits = { ...LIMITS, bytes: 1000 };
    await expectRefusal(jpeg, 'image_too_large', limits);
    await expectRefusal(fixture('rooms/hall.jpg'), 'image_too_large', limits);
  });

  it('more pixels than allowed, but not as many', async () => {
    await expectRefusal(jpeg, 'image_too_large', { ...LIMITS, pixels: 800 * 600 - 1 });
    await expect(preprocess(jpeg, { ...LIMITS, pixels: 800 * 600 })).resolves.toBeDefined();
  });

  it('but not a photo that every viewer shows: stray bytes before a marker', async () => {
    const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0));
    const stray = Buffer.concat([jpeg.subarray(0, frame), Buffer.alloc(5), jpeg.subarray(frame)]);
    const strict = sharp(stray, { failOn: 'warning' }).raw().toBuffer();
    await expect(strict).rejects.toThrow('extraneous');
    expectColours((await preprocess(stray, LIMITS)).pixels, QUARTERS, 6);
    // libvips keeps its last error for all threads at once.
    const many = await Promise.allSettled(
      Array.from({ length: 60 }, () => preprocess(stray, LIMITS)),
    );
    expect(many.filter(({ status }) => status === 'rejected')).toEqual([]);
    // Nor does it matter what stands beside it, to either.
    const cut = jpeg.subarray(0, jpeg.length * 0.9);
    const mixed = await Promise.allSettled(
      Array.from({ length: 180 }, (_, n) =>
        preprocess([stray, cut, overwritten(jpeg)][n % 3] as Buffer, LIMITS),
      ),
    );
    const fates = (kind: number) =>
      new Set(mixed.filter((_, n) => n % 3 === kind).map(({ status }) => status));
    expect([0, 1, 2].map(fates)).toEqual(
      [['fulfilled'], ['rejected'], ['rejected']].map((fate) => new Set(fate)),
    );
  });
});

describe('a TIFF that every viewer shows', async () => {
  const rgb = await sharp(await quarters(400, 300))
    .removeAlpha()
    .raw()
    .toBuffer();
  const odd: [string, TiffTag[]][] = [
    ['a text without its end', [[305, 2, 4, 0x61616161]]],
    [
      'tags out of order',
      [
        [305, 2, 4, 0x616161],
        [254, 4, 1, 0],
      ],
    ],
    ['a strip of no bytes', [[279, 4, 1, 0]]],
    ['orientation 0', [[274, 3, 1, 0]]],
    ['orientation 9', [[274, 3, 1, 9]]],
    ['a unit of resolution that does not exist', [[296, 3, 1, 9]]],
  ];

  it.each(odd)('%s', async (_name, tags) => {
    const tiff = tiffOf(rgb, 400, 300, tags);
    await expect(sharp(tiff, { failOn: 'warning' }).raw().toBuffer()).rejects.toThrow();
    const plain = await preprocess(tiffOf(rgb, 400, 300), LIMITS);
    expect(await preprocess(tiff, LIMITS)).toEqual(plain);
  });

  it.each(odd)('but not half of one: %s', async (_name, tags) => {
    const tiff = tiffOf(rgb, 400, 300, tags);
    await expectRefusal(tiff.subarray(0, tiff.length / 2), 'image_corrupt');
  });

  it('a fourth sample that nothing is said of', async () => {
    const rgba = await sharp(rgb, { raw: { width: 400, height: 300, channels: 3 } })
      .ensureAlpha()
      .raw()
      .toBuffer();
    const tiff = tiffOf(rgba, 400, 300, [
      [258, 3, 1, 8],
      [277, 3, 1, 4],
    ]);
    await expect(sharp(tiff, { failOn: 'warning' }).raw().toBuffer()).rejects.toThrow();
    const plain = await preprocess(tiffOf(rgb, 400, 300), LIMITS);
    expect(await preprocess(tiff, LIMITS)).toEqual(plain);
    await expectRefusal(tiff.subarray(0, tiff.length / 2), 'image_corrupt');
  });

  it('no sizes of its strips', async () => {
    const tiff = tiffOf(rgb, 400, 300);
    tiff.writeUInt16LE(65000, 10 + 8 * 12); // 279, the last
    await expect(sharp(tiff, { failOn: 'warning' }).raw().toBuffer()).rejects.toThrow();
    const plain = await preprocess(tiffOf(rgb, 400, 300), LIMITS);
    expect(await preprocess(tiff, LIMITS)).toEqual(plain);
    await expectRefusal(tiff.subarray(0, tiff.length / 2), 'image_corrupt');
  });
});

describe('a TIFF of samples that would come out black or white', async () => {
  const raw = async (depth: 'char' | 'uint' | 'float', grey = false) => {
    const image = sharp(await quarters());
    return (grey ? image.toColourspace('b-w') : image.removeAlpha()).raw({ depth }).toBuffer();
  };
  const bits = (n: number): TiffTag => [258, 3, 1, n];
  const kind = (n: number): TiffTag => [339, 3, 1, n];
  it.each<[string, Buffer, TiffTag[]]>([
    ['32 bits', await raw('uint'), [bits(32), kind(1)]],
    ['8 bits with a sign', await raw('char'), [bits(8), kind(2)]],
    ['grey floats', await raw('float', true), [bits(32), kind(3), [262, 3, 1, 1], [277, 3, 1, 1]]],
  ])('%s', async (_name, samples, tags) => {
    await expectRefusal(tiffOf(samples, 160, 120, tags), 'image_unsupported');
  });
});

describe('a whole picture of a kind that no decoder here takes is not called damaged', async () => {
  const samples = await sharp(await quarters())
    .removeAlpha()
    .raw()
    .toBuffer();
  it.each<[string, TiffTag]>([
    ['a TIFF packed by ZSTD', [259, 3, 1, 50_000]],
    ['a TIFF packed by JPEG 2000', [259, 3, 1, 34_712]],
    ['a TIFF of 12 bits', [258, 3, 1, 12]],
    ['a TIFF of 64 bits', [258, 3, 1, 64]],
    ['a TIFF of a camera’s raw samples', [262, 3, 1, 34_892]],
    ['a TIFF of logarithmic light', [262, 3, 1, 32_845]],
  ])('%s', async (_name, tag) => {
    await expectRefusal(tiffOf(samples, 160, 120, [tag]), 'image_unsupported');
  });

  it.each([5, 6])('a TIFF of %i channels: colours and saved selections', async (channels) => {
    const bits: TiffTag = [258, 3, 1, 8];
    const tiff = tiffOf(Buffer.alloc(160 * 120 * channels), 160, 120, [
      bits,
      [277, 3, 1, channels],
    ]);
    await expectRefusal(tiff, 'image_unsupported');
  });

  it('a TIFF in YCbCr, of which libvips would make false colours', async () => {
    const ycbcr: TiffTag = [262, 3, 1, 6];
    // Two shorts, 1 and 1.
    const tiff = tiffOf(samples, 160, 120, [ycbcr, [530, 3, 2, 0x1_0001]]);
    expect(await sharp(tiff).removeAlpha().raw().toBuffer()).toEqual(samples);
    await expectRefusal(tiff, 'image_unsupported');
  });

  it('but YCbCr as a JPEG, as libvips takes it, is', async () => {
    const tiff = await sharp(samples, { raw: { width: 160, height: 120, channels: 3 } })
      .tiff({ compression: 'jpeg', quality: 100 })
      .toBuffer();
    const { width } = await preprocess(tiff, LIMITS);
    expect(width).toBe(160);
  });

  it.each([0xc5, 0xf7])('a JPEG of a rare process: %i', async (process) => {
    const jpeg = await sharp(await quarters())
      .jpeg()
      .toBuffer();
    jpeg[jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 1] = process;
    await expectRefusal(jpeg, 'image_unsupported');
  });

  it('a JPEG of 12 bits', async () => {
    const jpeg = await sharp(await quarters())
      .jpeg()
      .toBuffer();
    jpeg[jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 4] = 12;
    await expectRefusal(jpeg, 'image_unsupported');
  });
});

it('gives the same pixels for a path and for the bytes', async () => {
  const path = fixture('rooms/kitchen.jpg');
  const byPath = await preprocess(path, LIMITS);
  expect(await preprocess(await readFile(path), LIMITS)).toEqual(byPath);
});

it.each([
  [900, 100],
  [100, 900],
])('neither crops nor pads %i × %i: the edges are at the edges', async (width, height) => {
  const frame = { left: 8, right: 8, top: 8, bottom: 8, background: '#c01010' };
  const create = { width: width - 16, height: height - 16, channels: 3, background: '#10c010' };
  const bytes = await sharp({ create: create as Create })
    .extend(frame)
    .png()
    .toBuffer();
  const { pixels } = await preprocess(bytes, LIMITS);
  const isFrame = ([red = 0, green = 0]: number[]) => red > green;
  const edges = [
    at(pixels, 0, 149),
    at(pixels, 298, 149),
    at(pixels, 149, 0),
    at(pixels, 149, 298),
  ];
  expect(edges.map(isFrame)).toEqual([true, true, true, true]);
  expect(isFrame(at(pixels, 149, 149))).toBe(false);
});

it('does not wait for somebody to write to a named pipe', async () => {
  const path = join(tmpdir(), `retagger-pipe-${process.pid}.jpg`);
  execFileSync('mkfifo', [path]);
  // Where it does, this lets it go on.
  onTestFinished(async () => {
    await (await open(path, 'r+')).close();
    await rm(path);
  });
  await expectRefusal(path, 'image_unsupported');
}, 5000);

it('never holds a file that is too large', async () => {
  // Sparse: it takes no room on disk, but could not be read into a buffer at all.
  const path = join(tmpdir(), `retagger-sparse-${process.pid}.jpg`);
  await writeFile(path, '');
  await truncate(path, 5 * 1024 ** 3);
  await expectRefusal(path, 'image_too_large');
  await rm(path);
});

async function expectRefusal(input: string | Buffer, code: ErrorCode, limits = LIMITS) {
  await expect(preprocess(input, limits)).rejects.toMatchObject({ name: 'RetaggerError', code });
}

function linkToItself(): string {
  const path = join(mkdtempSync(join(tmpdir(), 'retagger-link-')), 'a.jpg');
  symlinkSync(path, path);
  return path;
}

function overwritten(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = Math.floor(copy.length / 2);
  for (let i = 0; i < 500; i++) copy[middle + i] = (i * 151 + 7) % 256;
  return copy;
}

it('takes a TIFF with a progressive JPEG in it, and no half of one', async () => {
  const raw = { width: 64, height: 48, channels: 3 } as const;
  const noise = Buffer.from(Array.from({ length: 64 * 48 * 3 }, (_, n) => (n * 7919) % 251));
  const options = { progressive: true, chromaSubsampling: '4:4:4' };
  const jpeg = await sharp(noise, { raw }).jpeg(options).toBuffer();
  const tags: TiffTag[] = [
    [259, 3, 1, 7],
    [262, 3, 1, 6],
    [530, 3, 2, 0x1_0001],
  ];
  const whole = tiffOf(jpeg, 64, 48, tags);
  expect(await preprocess(whole, LIMITS)).toMatchObject({ width: 64, height: 48 });
  const half = tiffOf(jpeg.subarray(0, jpeg.length >> 1), 64, 48, tags);
  await expect(preprocess(half, LIMITS)).rejects.toMatchObject({ code: 'image_corrupt' });
});

it('tells what is wrong without what libvips says of all', async () => {
  const png = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  png.writeUInt32BE(0, 29);
  await expect(preprocess(png, LIMITS)).rejects.toThrow('png: IHDR: CRC error');
});
