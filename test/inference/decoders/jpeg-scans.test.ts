import fc from 'fast-check';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { scansOf } from '../../../src/inference/decoders/jpeg-scans.ts';

const noise = Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, n) => (n * 7919) % 251));
const jpeg = (progressive: boolean) =>
  sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
    .jpeg({ progressive, quality: 100 })
    .toBuffer();

it('counts those of the picture, and none in what stands before or behind it', async () => {
  const thumbnail = await jpeg(true);
  const block = Buffer.concat([Buffer.from([0xff, 0xe1, 0, 0]), thumbnail]);
  block.writeUInt16BE(thumbnail.length + 2, 2);
  for (const [progressive, scans] of [
    [false, 1],
    [true, 10],
  ] as const) {
    const photo = await jpeg(progressive);
    const all = Buffer.concat([photo.subarray(0, 2), block, photo.subarray(2), thumbnail]);
    expect([scansOf(photo, 99), scansOf(all, 99), scansOf(all, 5)]).toEqual([
      scans,
      scans,
      Math.min(scans, 5),
    ]);
  }
});

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0xff, 0xda, 0xd9, 0, 1, 2, 0xd0, 0x41)), (bytes) => {
      expect(scansOf(Buffer.from(bytes), 9)).toBeLessThanOrEqual(9);
    }),
  );
});
