import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readJpegHeader } from '../../../src/inference/decoders/jpeg-header.ts';
import {
  exifBlock,
  jpegOf,
  patchedBehind,
  withExif,
  withOrientation,
  withSegment,
} from '../jpegs.ts';

const [SOF, SOF2, SOS] = [0xc0, 0xc2, 0xda];
const jpeg = await jpegOf(40, 30, { progressive: false });
const fixture = (path: string) => readFile(`test/fixtures/${path}`);

describe('what is usual', () => {
  it('a sequential JPEG', () => {
    expect(readJpegHeader(jpeg)).toEqual({
      ...{ width: 40, height: 30, progressive: false, ordinary: true, orientation: 1 },
      ...{ inOneScan: true, samples: 1.5 },
    });
  });

  it('one that is to be turned keeps its size here', () => {
    const header = readJpegHeader(withOrientation(jpeg, 6));
    expect(header).toMatchObject({ orientation: 6, width: 40, height: 30 });
  });

  it('XMP and Adobe’s segment beside EXIF, and fill bytes before a marker', () => {
    const xmp = 'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="3"/>';
    const bytes = withSegment(withOrientation(withSegment(jpeg, 0xee, 'Adobe'), 8), 0xe1, xmp);
    const filled = Buffer.concat([bytes.subarray(0, 2), Buffer.of(255, 255), bytes.subarray(2)]);
    expect(readJpegHeader(filled)).toMatchObject({ orientation: 8, ordinary: true });
  });
});

it('tells how many coefficients are kept, where not all of the picture comes in one scan', async () => {
  const whole = await jpegOf(40, 30, { progressive: true, chromaSubsampling: '4:4:4' });
  expect(readJpegHeader(whole)).toMatchObject({ inOneScan: false, samples: 3 });
  const oneByOne = patchedBehind(jpeg, SOS, 4, [1]);
  expect(readJpegHeader(oneByOne)).toMatchObject({ inOneScan: false, samples: 1.5 });
  const grey = await sharp(jpeg).toColourspace('b-w').jpeg().toBuffer();
  expect(readJpegHeader(grey)).toMatchObject({ inOneScan: true, samples: 1 });
});

/** Its size is still told: what is costly is, whatever else is wrong with it. */
describe('what is out of the ordinary', async () => {
  const frame = jpeg.subarray(jpeg.indexOf(Buffer.of(0xff, SOF)));
  const second = Buffer.from(frame.subarray(4, 2 + frame.readUInt16BE(2)));
  const once = withOrientation(jpeg, 6);
  const start = jpeg.subarray(0, 2);
  const unframed = Buffer.concat([
    jpeg.subarray(0, jpeg.length - frame.length),
    frame.subarray(4 + second.length),
  ]);
  const spare = Buffer.concat([second, Buffer.of(0)]);
  const comment = Buffer.of(0xff, 0xfe, 0, 2);
  it.each<[string, Buffer]>([
    ['a colour profile', withSegment(jpeg, 0xe2, 'ICC_PROFILE\0\x01\x01')],
    ['progressive', await jpegOf(40, 30, { progressive: true })],
    ['components one by one', patchedBehind(jpeg, SOS, 4, [1])],
    ['grey', await sharp(jpeg).toColourspace('b-w').jpeg().toBuffer()],
    ['CMYK', await fixture('formats/cmyk.jpg')],
    ['12 bits', patchedBehind(jpeg, SOF, 4, [12])],
    ['lossless', patchedBehind(jpeg, SOF, 1, [0xc3])],
    ['arithmetic coding', patchedBehind(jpeg, SOF, 1, [0xc9])],
    ['a frame with a byte to spare', withSegment(unframed, SOF, spare, jpeg.length - frame.length)],
    ['a restart marker', withSegment(jpeg, 0xd0, 'xx')],
    ['a thousand comments', Buffer.concat([start, ...Array(1000).fill(comment), jpeg.subarray(2)])],
    ['no components', patchedBehind(jpeg, SOF, 9, [0])],
    ['more components than its frame has', patchedBehind(jpeg, SOF, 9, [4])],
    ['two frames', withSegment(jpeg, SOF, second, jpeg.indexOf(Buffer.of(0xff, SOF)))],
    ['EXIF twice', withExif(once, exifBlock([]))],
    ['something like EXIF', withSegment(jpeg, 0xe1, 'Exif')],
    ['no scan', jpeg.subarray(0, jpeg.indexOf(Buffer.of(0xff, SOS)))],
    ['stray bytes', Buffer.concat([jpeg.subarray(0, 2), Buffer.alloc(3), jpeg.subarray(2)])],
    ['a second start', Buffer.concat([jpeg.subarray(0, 2), jpeg])],
  ])('%s', (_name, bytes) => {
    expect(readJpegHeader(bytes)?.ordinary ?? false).toBe(false);
  });

  it('tells the size of a strange one, and that it is progressive', () => {
    const strange = withSegment(patchedBehind(jpeg, SOF, 1, [SOF2]), 0xe2, 'ICC_PROFILE\0');
    expect(readJpegHeader(strange)).toMatchObject({ width: 40, height: 30, progressive: true });
  });

  it('is in doubt about an orientation that is damaged', () => {
    const header = readJpegHeader(withExif(jpeg, Buffer.from('MM')));
    expect(header).toMatchObject({ orientation: null });
  });
});

it('takes any bytes', () => {
  const segment = fc
    .record({
      marker: fc.integer({ min: 0xc0, max: 0xff }),
      body: fc.uint8Array({ maxLength: 20 }),
    })
    .map(({ marker, body }) => withSegment(Buffer.alloc(0), marker, Buffer.from(body)));
  fc.assert(
    fc.property(fc.array(segment), fc.uint8Array({ maxLength: 50 }), (segments, rest) => {
      const bytes = Buffer.concat([Buffer.of(0xff, 0xd8), ...segments, rest]);
      const header = readJpegHeader(bytes);
      expect(header === null || Number.isInteger(header.width * header.height)).toBe(true);
    }),
    { numRuns: 1000 },
  );
  expect(readJpegHeader(Buffer.alloc(10_000_000, 255))).toBeNull();
});
