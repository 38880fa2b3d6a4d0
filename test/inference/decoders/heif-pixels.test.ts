import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { heifPixels } from '../../../src/inference/decoders/heif-pixels.ts';
import { gridOf } from '../heif.ts';

const fixture = (name: string) => readFile(`test/fixtures/formats/${name}`);
const [heic, avif] = [await fixture('phone.heic'), await fixture('plain.avif')];

it('of one picture are its own', () => {
  expect([heifPixels(heic), heifPixels(avif)]).toEqual([240 * 180, 240 * 180]);
});

it.each([
  ['HEIC', heic],
  ['AVIF', avif],
])('of a grid are those of all its tiles, however little is cut out: %s', (_, tile) => {
  expect(heifPixels(gridOf(tile, 3, 5, 240, 180))).toBe(15 * 240 * 180);
});

it('of a grid whose tiles do not fill it are those that it says', () => {
  expect(heifPixels(gridOf(avif, 1, 2, 9000, 6000))).toBe(9000 * 6000);
});

it('of a grid of one tile many times are as many; what else refers to a picture, or belongs to it, adds none', () => {
  const grid = gridOf(avif, 2, 2, 9000, 6000);
  const refers = grid.indexOf('dimg');
  // The grid says its size no more, and the tiles do not fill it.
  grid.write('colr', grid.lastIndexOf('ispe'));
  expect(heifPixels(grid)).toBe(4 * 240 * 180);
  for (let n = 0; n < 4; n++) grid.writeUInt16BE(2, refers + 8 + 2 * n);
  expect(heifPixels(grid)).toBe(4 * 240 * 180);
  grid.write('thmb', refers);
  expect(heifPixels(grid)).toBe(240 * 180);
});

it('takes any bytes, and a picture that is made of itself', () => {
  const grid = gridOf(heic, 4, 4, 480, 360);
  const turned = Buffer.from(grid);
  turned.writeUInt16BE(1, turned.indexOf('dimg') + 8);
  // More parts than there is room for.
  turned.writeUInt16BE(999, turned.indexOf('dimg') + 6);
  expect(heifPixels(turned)).toBe(15 * 240 * 180);
  // A box that is shorter than its own head.
  expect(heifPixels(Buffer.from('\0\0\0\x01meta\0\0\0\0\0\0\0\0', 'latin1'))).toBe(0);
  fc.assert(
    fc.property(fc.nat(grid.length - 1), fc.nat(255), fc.nat(grid.length), (at, value, length) => {
      const bytes = Buffer.from(grid);
      bytes[at] = value;
      expect(heifPixels(bytes.subarray(0, length))).toBeGreaterThanOrEqual(0);
    }),
  );
});
