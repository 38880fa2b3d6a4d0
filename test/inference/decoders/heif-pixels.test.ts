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

it('takes any bytes, and a picture that is made of itself', () => {
  const grid = gridOf(heic, 4, 4, 480, 360);
  const turned = Buffer.from(grid);
  turned.writeUInt16BE(1, turned.indexOf('dimg') + 8);
  expect(heifPixels(turned)).toBe(15 * 240 * 180);
  fc.assert(
    fc.property(fc.nat(grid.length - 1), fc.nat(255), fc.nat(grid.length), (at, value, length) => {
      const bytes = Buffer.from(grid);
      bytes[at] = value;
      expect(heifPixels(bytes.subarray(0, length))).toBeGreaterThanOrEqual(0);
    }),
  );
});
