import { readFile } from 'node:fs/promises';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { RetaggerError } from '../../src/errors.ts';
import { preprocess } from '../../src/inference/preprocess.ts';
import { gridOf } from './heif.ts';
import { withExif } from './jpegs.ts';
import { tiffOf } from './tiff.ts';

const MiB = 1024 * 1024;
const LIMITS = { pixels: 100_000_000, bytes: 64 * MiB };
const ROOM = await readFile('test/fixtures/rooms/hall.jpg');

/** What becomes of a file: `decoded`, or its code. Whatever else is thrown fails the test. */
async function fate(bytes: Buffer, limits = LIMITS): Promise<string> {
  try {
    await preprocess(bytes, limits);
    return 'decoded';
  } catch (error) {
    if (error instanceof RetaggerError) return error.code;
    throw error;
  }
}

const small = (width = 8, height = 6) => {
  const of = (background: string, w: number, h: number) => ({
    create: { width: w, height: h, channels: 3 as const, background },
  });
  return sharp(of('#456', width, height)).composite([{ input: of('#c41', 3, 3), left: 1, top: 1 }]);
};
const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const;

describe('cut off at every byte', () => {
  it.each(FORMATS)('%s: damaged, or whole but for its end mark', async (format) => {
    const whole = await small().toFormat(format).toBuffer();
    const { pixels } = await preprocess(whole, LIMITS);
    let decoded = 0;
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length);
      const code = await fate(cut);
      if (code === 'decoded') {
        decoded += 1;
        // Nothing of the picture may be missing.
        const same = Buffer.compare((await preprocess(cut, LIMITS)).pixels, pixels) === 0;
        expect(same, `${length} bytes`).toBe(true);
      } else {
        // Four bytes of an AVIF are a number and no signature yet.
        const nothingYet = format === 'avif' && length > 0 && length < 5;
        const expected = nothingYet ? 'image_unsupported' : 'image_corrupt';
        expect(code, `${length} of ${whole.length} bytes`).toBe(expected);
      }
    }
    expect(decoded).toBeLessThan(16);
  });
});

/**
 * A PNG of any size of one colour, a thousandth as long as it is when inflated.
 * @param rows that are there.
 */
function png(width: number, height: number, rows = 64): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc32(body), body.length + 4);
    return out;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 1; // one bit, grey
  const data = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * rows));
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A picture with this EXIF put in where its format has a place for it. */
function withExifIn(whole: Buffer, format: 'jpeg' | 'png' | 'webp', exif: Buffer): Buffer {
  if (format === 'jpeg') return withExif(whole, exif);
  if (format === 'png') {
    const body = Buffer.concat([Buffer.from('eXIf'), exif]);
    const ends = [Buffer.alloc(4), Buffer.alloc(4)] as const;
    ends[0].writeUInt32BE(exif.length);
    ends[1].writeUInt32BE(crc32(body));
    return Buffer.concat([whole.subarray(0, 33), ends[0], body, ends[1], whole.subarray(33)]);
  }
  const chunk = (name: string, data: Buffer) => {
    const head = Buffer.from(`${name}\0\0\0\0`, 'latin1');
    head.writeUInt32LE(data.length, 4);
    return Buffer.concat([head, data]);
  };
  // It has EXIF; 8 × 6 pixels, each less one.
  const canvas = chunk('VP8X', Buffer.from('08000000070000050000', 'hex'));
  const all = [Buffer.from('WEBP'), canvas, whole.subarray(12), chunk('EXIF', exif)];
  return chunk('RIFF', Buffer.concat(all));
}

/** The file with other bytes at the place where `before` is. */
function patched(bytes: Buffer, before: Buffer, after: Buffer): Buffer {
  const at = bytes.indexOf(before);
  expect(at).toBeGreaterThan(0);
  return Buffer.concat([bytes.subarray(0, at), after, bytes.subarray(at + before.length)]);
}

describe('decompression bombs', async () => {
  const jpeg = await small().jpeg().toBuffer();
  const gif = await small().gif().toBuffer();
  const webp = await small().webp({ lossless: true }).toBuffer();
  const tiff = await small().tiff({ compression: 'none' }).toBuffer();
  const hugeGif = Buffer.from(gif);
  hugeGif.writeUInt32LE(0xffffffff, 6);
  // The picture too: behind the comma are its left and top, then its size.
  hugeGif.writeUInt32LE(0xffffffff, gif.indexOf(Buffer.of(0x2c, 0, 0, 0, 0, 8, 0, 6, 0)) + 5);
  const hugeWebp = Buffer.from(webp);
  // VP8L: 14 bits of width less one, 14 bits of height less one.
  hugeWebp.writeUInt32LE(0x0fffffff, webp.indexOf('VP8L') + 9);

  it.each([
    [
      'a JPEG that says 65,500 × 65,500',
      patched(jpeg, Buffer.of(0, 6, 0, 8), Buffer.of(0xff, 0xdc, 0xff, 0xdc)),
    ],
    ['a PNG of 60,000 × 60,000 in a few bytes', png(60_000, 60_000)],
    ['a GIF that says 65,535 × 65,535', hugeGif],
    ['a WebP that says 16,384 × 16,384', hugeWebp],
    ['a TIFF that says 16 × 3 · 10⁹', longerTiff(tiff)],
  ])('%s is refused by its header', async (_name, bytes) => {
    const before = process.memoryUsage().rss;
    const code = await fate(bytes);
    expect(['image_too_large', 'image_corrupt']).toContain(code);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MiB);
  });

  it.each(FORMATS)('%s over the pixels allowed', async (format) => {
    const bytes = await small(1100, 1000).toFormat(format).toBuffer();
    expect(await fate(bytes, { ...LIMITS, pixels: 1_000_000 })).toBe('image_too_large');
  });

  it('a GIF of a million frames is its first frame', async () => {
    // A frame: how long it is shown, where it lies, and its one pixel.
    const frame = Buffer.from('21f90400000000002c0000000001000100000202440100', 'hex');
    const head = Buffer.from('47494638396101000100800000000000ffffff', 'hex');
    const bytes = Buffer.concat([head, ...Array(1_000_000).fill(frame), Buffer.from(';')]);
    const before = process.memoryUsage().rss;
    expect(await fate(bytes)).toBe('decoded');
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MiB);
  });

  it('an AVIF of 41 megapixels, in a kB, is turned down before it is decoded', async () => {
    const sized = async (format: 'avif' | 'webp') =>
      fate(await small(8200, 5000).toFormat(format, { effort: 0, quality: 30 }).toBuffer());
    expect([await sized('avif'), await sized('webp')]).toEqual(['image_too_large', 'decoded']);
  });

  it.each([
    ['a PNG', png(5_000_000, 1, 1)],
    ['a TIFF', tiffOf(Buffer.alloc(3 * 100_000), 100_000, 1)],
    ['a TIFF on end', tiffOf(Buffer.alloc(3 * 100_000), 1, 100_000)],
  ])('%s of one endless row, few bytes and gigabytes of memory', async (_, bytes) => {
    expect(await fate(bytes)).toBe('image_too_large');
  });

  it('an AVIF cut out of tiles of 160 megapixels, in a kB', async () => {
    const tile = await small(6300, 6300).avif({ effort: 0, quality: 30 }).toBuffer();
    expect(await fate(tile)).toBe('decoded');
    expect(await fate(gridOf(tile, 2, 2, 6300, 6300))).toBe('image_too_large');
  });

  it('a picture that is put together from tiles is decoded', async () => {
    const files = ['phone.heic', 'plain.avif'].map((name) =>
      readFile(`test/fixtures/formats/${name}`),
    );
    for (const tile of await Promise.all(files)) {
      expect(await fate(gridOf(tile, 2, 3, 700, 350))).toBe('decoded');
    }
  });

  it('a progressive JPEG of 200 scans is none that anybody would wait for', async () => {
    const photo = await small().jpeg({ progressive: true }).toBuffer();
    const scan = Buffer.from('ffda0008010100013f00', 'hex');
    const of = (more: number) =>
      Buffer.concat([photo.subarray(0, -2), ...Array(more).fill(scan), photo.subarray(-2)]);
    expect(await fate(of(200))).toBe('image_unsupported');
    expect(await fate(of(150))).not.toBe('image_unsupported');
    // Nor where a thousand comments hide that it is progressive.
    const comments = Array(1001).fill(Buffer.of(0xff, 0xfe, 0, 2));
    const hidden = of(200);
    expect(
      await fate(Buffer.concat([hidden.subarray(0, 2), ...comments, hidden.subarray(2)])),
    ).toBe('image_unsupported');
  });

  it.each(['jpeg', 'png', 'webp'] as const)(
    'a %s of 65 kB whose EXIF is a maze: half a minute and more',
    async (format) => {
      // A directory of pointers, each to this very directory.
      const pointer = Buffer.from('698704000100000008000000', 'hex');
      const count = Buffer.from('1815', 'hex');
      const exif = [Buffer.from('II*\0\x08\0\0\0', 'latin1'), count];
      const maze = Buffer.concat([...exif, ...Array(0x1518).fill(pointer), Buffer.alloc(4)]);
      const whole = await small().toFormat(format, { progressive: true }).toBuffer();
      expect(await fate(withExifIn(whole, format, maze))).toBe('image_corrupt');
    },
  );

  it('a JPEG with 30 MB of headers is its picture', async () => {
    const segment = Buffer.alloc(65_535 + 2, 0x20);
    segment.writeUInt32BE(0xffe1ffff);
    const bytes = Buffer.concat([
      ROOM.subarray(0, 2),
      ...Array(480).fill(segment),
      ROOM.subarray(2),
    ]);
    expect(await fate(bytes)).toBe('decoded');
  });
});

/** ImageLength (tag 257) of a little-endian TIFF set to its largest value. */
function longerTiff(tiff: Buffer): Buffer {
  const out = Buffer.from(tiff);
  const directory = out.readUInt32LE(4);
  for (let n = 0; n < out.readUInt16LE(directory); n++) {
    const entry = directory + 2 + 12 * n;
    if (out.readUInt16LE(entry) !== 257) continue;
    out.writeUInt16LE(4, entry + 2);
    out.writeUInt32LE(0xb0000000, entry + 8);
  }
  return out;
}

describe('polyglots', () => {
  const zip = Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1');
  const script = Buffer.from('<?php system($_GET["c"]); ?><script>alert(1)</script>');
  const comment = Buffer.concat([Buffer.of(0xff, 0xfe, 0, script.length + 2), script]);

  it.each<[string, Buffer, string]>([
    ['a JPEG with a ZIP behind it: its picture', Buffer.concat([ROOM, zip]), 'decoded'],
    [
      'a JPEG with a script in a comment: its picture',
      Buffer.concat([ROOM.subarray(0, 2), comment, ROOM.subarray(2)]),
      'decoded',
    ],
    [
      'a script that begins as a JPEG',
      Buffer.concat([Buffer.of(0xff, 0xd8, 0xff, 0xe0), script]),
      'image_corrupt',
    ],
    [
      'a script that begins as a GIF',
      Buffer.concat([Buffer.from('GIF89a/*'), script]),
      'image_corrupt',
    ],
    [
      'a PDF with a JPEG in it',
      Buffer.concat([Buffer.from('%PDF-1.7\n'), ROOM]),
      'image_unsupported',
    ],
    [
      'a ZIP with a JPEG in it',
      Buffer.concat([Buffer.from('PK\x03\x04'), ROOM]),
      'image_unsupported',
    ],
    [
      'an SVG that names itself a PNG',
      Buffer.from(
        '<?xml version="1.0"?><!--\x89PNG--><svg xmlns="http://www.w3.org/2000/svg"/>',
        'latin1',
      ),
      'image_unsupported',
    ],
    [
      'a RIFF that is a sound',
      Buffer.from('RIFF\x24\0\0\0WAVEfmt ', 'latin1'),
      'image_unsupported',
    ],
  ])('%s', async (_name, bytes, expected) => {
    expect(await fate(bytes)).toBe(expected);
  });
});

/** Past our own look at the first bytes: what would reach a decoder if that were wrong. */
describe('blocked in libvips', () => {
  it('SVG, the one other format that this build of it reads from memory', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    await expect(sharp(Buffer.from(svg)).metadata()).rejects.toThrow();
  });

  it('every loader that opens a file by itself', async () => {
    await expect(sharp('test/fixtures/rooms/hall.jpg').metadata()).rejects.toThrow();
  });
});
