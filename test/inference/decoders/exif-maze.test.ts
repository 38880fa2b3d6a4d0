import { readdir, readFile } from 'node:fs/promises';
import fc from 'fast-check';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { isExifMaze } from '../../../src/inference/decoders/exif-maze.ts';
import { exifBlock, withExif, withOrientation } from '../jpegs.ts';

const photo = await readFile('test/fixtures/rooms/hall.jpg');
const [EXIF, GPS] = [0x8769, 0x8825];

/** A directory of so many pointers, all to itself. */
function maze(pointers: number, order: 'II' | 'MM' = 'II'): Buffer {
  const entries = Array.from({ length: pointers }, (_, n) => ({
    ...{ tag: n % 2 ? EXIF : GPS, format: 4, count: 1, value: 0 },
  }));
  const block = exifBlock(entries, order);
  for (let n = 0; n < pointers; n++) {
    if (order === 'II') block.writeUInt32LE(8, 18 + 12 * n);
    else block.writeUInt32BE(8, 18 + 12 * n);
  }
  return block;
}

it.each(['II', 'MM'] as const)('directories of pointers to each other: %s', (order) => {
  expect(isExifMaze(withExif(photo, maze(5000, order)))).toBe(true);
  expect(isExifMaze(withExif(photo, maze(300, order)))).toBe(true);
});

it("such a directory in a thumbnail's place", () => {
  const block = maze(5000);
  // The first is behind it, without entries.
  block.writeUInt32LE(block.length, 4);
  const first = Buffer.of(0, 0, 8, 0, 0, 0);
  expect(isExifMaze(withExif(photo, Buffer.concat([block, first])))).toBe(true);
});

it('what cameras and programs write is none', async () => {
  const folders = ['rooms', 'formats'].map((name) => `test/fixtures/${name}`);
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      expect(isExifMaze(await readFile(`${folder}/${name}`)), name).toBe(false);
    }
  }
  expect(isExifMaze(withOrientation(photo, 6))).toBe(false);
  const tagged = { IFD0: { Make: 'x' }, IFD2: { FNumber: '4/1' }, IFD3: { GPSAltitude: '1/1' } };
  expect(isExifMaze(await sharp(photo).withExif(tagged).jpeg().toBuffer())).toBe(false);
  // A directory that names itself once or twice, as broken programs do.
  expect(isExifMaze(withExif(photo, maze(1)))).toBe(false);
});

it('takes any bytes', () => {
  const starts = fc.constantFrom('II*\0\x08\0\0\0', 'MM\0*\0\0\0\x08', 'II*\0', '');
  fc.assert(
    fc.property(starts, fc.uint8Array({ maxLength: 300 }), (start, bytes) => {
      const exif = Buffer.concat([Buffer.from(start, 'latin1'), bytes]);
      expect(isExifMaze(exif)).toBeTypeOf('boolean');
    }),
  );
});
