import { readdir, readFile } from 'node:fs/promises';
import koffi from 'koffi';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DecodeJpeg, load } from '../../../src/inference/decoders/turbojpeg.ts';
import { findTurbojpeg } from '../../../src/inference/decoders/turbojpeg-path.ts';
import { preprocess } from '../../../src/inference/preprocess.ts';
import { inShort, jpegOf, noisy, patchedBehind, withOrientation, withSegment } from '../jpegs.ts';

/** Needs Debian's libturbojpeg0: that it gives the same pixels as sharp alone, and the same refusals. */

const LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const MiB = 1024 * 1024;
let decode: DecodeJpeg;
let decoded = 0;
beforeAll(async () => {
  const path = findTurbojpeg();
  if (!path) throw new Error('TurboJPEG is not installed here: apt install libturbojpeg0');
  const library = await load(path);
  if (!library) throw new Error(`${path} does not load`);
  decode = async (bytes, wanted) => {
    const image = await library(bytes, wanted);
    if (image) decoded += 1;
    return image;
  };
});

/** What becomes of a photo, in words. */
const fateOf = (bytes: Buffer, decoder: DecodeJpeg | null): Promise<string> =>
  preprocess(bytes, LIMITS, Promise.resolve(decoder)).then(inShort, String);

/** @returns whether the library decoded it; fails where that makes any difference. */
async function isFast(bytes: Buffer): Promise<boolean> {
  const before = decoded;
  expect(await fateOf(bytes, decode)).toBe(await fateOf(bytes, null));
  return decoded > before;
}

describe('the same pixels', () => {
  const SIZES = [
    ...[
      [1, 1],
      [7, 5],
      [16, 16],
      [299, 299],
      [298, 301],
      [640, 480],
      [597, 598],
      [1195, 1201],
    ],
    ...[
      [1632, 1224],
      [1495, 1495],
      [900, 2999],
      [2391, 2400],
      [2692, 2700],
      [3, 4000],
    ],
  ] as [number, number][];

  it.each(SIZES)('%i × %i', async (width, height) => {
    for (const progressive of [false, true]) {
      for (const chromaSubsampling of ['4:2:0', '4:4:4']) {
        const bytes = await jpegOf(width, height, { progressive, chromaSubsampling });
        expect(await isFast(bytes)).toBe(!progressive);
      }
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('orientation %i', async (orientation) => {
    for (const [width, height] of [
      [160, 120],
      [1301, 977],
      [2700, 3001],
    ] as const) {
      const bytes = withOrientation(await jpegOf(width, height), orientation);
      expect(await isFast(bytes)).toBe(true);
    }
  });

  it('any quality', async () => {
    for (const quality of [1, 20, 50, 95, 100])
      expect(await isFast(await jpegOf(501, 400, { quality }))).toBe(true);
  });

  it.each([
    ['4:4:4', 0, true],
    ['4:2:2', 1, true],
    ['4:2:0', 2, true],
    ['grey', 3, false],
    ['4:4:0', 4, false],
    ['4:1:1', 5, false],
  ])('%s, also with restart markers', async (_name, subsampling, fast) => {
    for (const [width, height] of [
      [333, 500],
      [1301, 977],
    ] as const) {
      const bytes = compressed(width, height, subsampling);
      expect(await isFast(bytes)).toBe(fast);
    }
    process.env.TJ_RESTART = '3';
    const bytes = compressed(640, 480, subsampling);
    delete process.env.TJ_RESTART;
    expect(bytes.includes(Buffer.of(0xff, 0xd3))).toBe(true);
    expect(await isFast(bytes)).toBe(fast);
  });

  it('every JPEG among the fixtures', async () => {
    const taken: string[] = [];
    for (const folder of ['rooms', 'formats', 'refused']) {
      for (const name of await readdir(`test/fixtures/${folder}`)) {
        if (!name.endsWith('.jpg')) continue;
        if (await isFast(await readFile(`test/fixtures/${folder}/${name}`))) taken.push(name);
      }
    }
    expect(taken.length).toBeGreaterThan(6);
  });

  it('many at once', async () => {
    const jpeg = await jpegOf(700, 500);
    const one = await fateOf(jpeg, null);
    const all = await Promise.all(Array.from({ length: 300 }, () => fateOf(jpeg, decode)));
    for (const each of all) expect(each).toBe(one);
  });
});

/** As TurboJPEG itself writes it: sharp writes two ways to store colours only. */
function compressed(width: number, height: number, subsampling: number): Buffer {
  const library = koffi.load(findTurbojpeg() as string);
  const handle = library.func('void *tjInitCompress()')();
  const compress = library.func(
    'int tjCompress2(void *handle, const uint8_t *pixels, int width, int pitch, int height, int format, _Out_ intptr_t *jpeg, _Inout_ ulong *length, int subsampling, int quality, int flags)',
  );
  const [jpeg, length] = [[0], [0]] as const;
  const sides = [width, 0, height] as const;
  expect(
    compress(handle, noisy(width, height), ...sides, 0, jpeg, length, subsampling, 85, 0),
  ).toBe(0);
  const bytes = Buffer.from(new Uint8Array(koffi.view(jpeg[0], Number(length[0]))));
  library.func('void tjFree(intptr_t jpeg)')(jpeg[0]);
  library.func('int tjDestroy(void *handle)')(handle);
  return bytes;
}

describe('the same fate', async () => {
  const [SOF, SOS] = [0xc0, 0xda];
  const jpeg = await jpegOf(320, 240, { progressive: false });
  const frame = jpeg.indexOf(Buffer.of(0xff, SOF));
  const scan = jpeg.indexOf(Buffer.of(0xff, SOS));
  const body = jpeg.subarray(frame + 4, frame + 2 + jpeg.readUInt16BE(frame + 2));
  const larger = Buffer.from(body);
  larger.writeUInt32BE(0x0f000f00, 1);
  const progressive = await jpegOf(320, 240, { progressive: true });
  const lastScan = progressive.subarray(progressive.lastIndexOf(Buffer.of(0xff, SOS)), -2);
  const middle = Buffer.from(jpeg);
  middle.fill(0x5a, scan + 2000, scan + 2400);

  it.each<[string, Buffer, boolean]>([
    ['65,500 × 65,500', patchedBehind(jpeg, SOF, 5, [0xff, 0xdc, 0xff, 0xdc]), false],
    [
      '10,000 × 9,000, but data for 320 × 240',
      patchedBehind(jpeg, SOF, 5, [35, 40, 39, 16]),
      false,
    ],
    ['twice as wide as its data', patchedBehind(jpeg, SOF, 7, [0x02, 0x80]), false],
    ['a second frame that is larger', withSegment(jpeg, SOF, larger, scan), false],
    ['a first frame that is larger', withSegment(jpeg, SOF, larger, frame), false],
    ['a frame behind the scan', withSegment(jpeg, SOF, larger, jpeg.length - 2), false],
    ['cut off in the scan', jpeg.subarray(0, scan + 3000), false],
    ['cut off before its end mark', jpeg.subarray(0, -2), false],
    ['bytes behind its end', Buffer.concat([jpeg, noisy(50, 50)]), true],
    ['another JPEG behind its end', Buffer.concat([jpeg, progressive]), true],
    ['overwritten in the middle', middle, false],
    ['12 bits', patchedBehind(jpeg, SOF, 4, [12]), false],
    ['arithmetic coding', patchedBehind(jpeg, SOF, 1, [0xc9]), false],
    ['lossless', patchedBehind(jpeg, SOF, 1, [0xc3]), false],
    ['no components', patchedBehind(jpeg, SOF, 9, [0]), false],
    ['no width', patchedBehind(jpeg, SOF, 7, [0, 0]), false],
    ['no height', patchedBehind(jpeg, SOF, 5, [0, 0]), false],
    ['sequential data called progressive', patchedBehind(jpeg, SOF, 1, [0xc2]), false],
    ['Adobe’s RGB', withSegment(jpeg, 0xee, 'Adobe\0\x64\0\0\0\0\0', frame), false],
    [
      'a thousand scans',
      Buffer.concat([
        progressive.subarray(0, -2),
        ...Array(1000).fill(lastScan),
        Buffer.of(255, 217),
      ]),
      false,
    ],
    ['no tables', Buffer.concat([jpeg.subarray(0, 2), jpeg.subarray(frame)]), false],
    ['a table number that does not exist', patchedBehind(jpeg, SOF, 12, [9]), false],
    ['sampling of 15', patchedBehind(jpeg, SOF, 11, [0xff]), false],
  ])('%s', async (_name, bytes, fast) => {
    expect(await isFast(bytes)).toBe(fast);
  });

  it('takes a JPEG whose restart markers are in disorder to sharp', async () => {
    process.env.TJ_RESTART = '3';
    const bytes = compressed(640, 480, 2);
    delete process.env.TJ_RESTART;
    const third = bytes.indexOf(Buffer.of(0xff, 0xd3));
    bytes.writeUInt8(0xd6, third + 1);
    expect(await isFast(bytes)).toBe(false);
  });

  it('refuses a header that is not as expected, without reading or writing past anything', async () => {
    const bytes = await jpegOf(320, 240);
    for (const [width, height] of [
      [319, 240],
      [320, 241],
      [0, 0],
    ] as const)
      expect(await decode(bytes, { width, height, shrink: 1 })).toBeNull();
    const image = await decode(bytes, { width: 320, height: 240, shrink: 8 });
    expect(image).toMatchObject({ width: 40, height: 30 });
    expect(image?.pixels).toHaveLength(40 * 30 * 3);
    for (const length of [0, 1, 2, 3, 20]) {
      const cut = bytes.subarray(0, length);
      expect(await decode(cut, { width: 320, height: 240, shrink: 1 })).toBeNull();
    }
  });
});

it('takes no more memory after 500 photos than after 100', async () => {
  const jpeg = await jpegOf(1600, 1200);
  const damaged = jpeg.subarray(0, jpeg.length / 2);
  const round = async (photos: number) => {
    for (let n = 0; n < photos; n++) {
      await preprocess(jpeg, LIMITS, Promise.resolve(decode));
      if (n % 5 === 0) await decode(damaged, { width: 1600, height: 1200, shrink: 4 });
    }
    return process.memoryUsage().rss;
  };
  const before = await round(100);
  expect((await round(400)) - before).toBeLessThan(24 * MiB);
});

it('is null where there is no library, or one that is none', async () => {
  expect(await load(null)).toBeNull();
  expect(await load('/nowhere/libturbojpeg.so.0')).toBeNull();
  expect(await load('/usr/bin/env')).toBeNull();
});
