import { expect, it } from 'vitest';
import { type JpegHeader, readJpegHeader } from '../../src/inference/jpeg-header.ts';
import { hasPlainScans } from '../../src/inference/jpeg-scans.ts';
import { jpegOf, patchedBehind } from './jpegs.ts';

const SOS = Buffer.of(0xff, 0xda);
const END = Buffer.of(0xff, 0xd9);
const isPlain = (bytes: Buffer) => hasPlainScans(bytes, readJpegHeader(bytes) as JpegHeader);
const sequential = await jpegOf(40, 30, { progressive: false });
const progressive = await jpegOf(40, 30, { progressive: true });

it('one scan, or all that a progressive JPEG needs', () => {
  expect(isPlain(sequential)).toBe(true);
  expect(isPlain(progressive)).toBe(true);
});

it('a sequential JPEG that has its components one by one', () => {
  expect(isPlain(patchedBehind(sequential, 0xda, 4, [1]))).toBe(false);
});

it('a progressive JPEG without its last scans', () => {
  let scans = 0;
  for (let at = progressive.indexOf(SOS); at > 0; at = progressive.indexOf(SOS, at + 2)) {
    scans += 1;
    expect(isPlain(Buffer.concat([progressive.subarray(0, at), END])), `${scans}`).toBe(false);
  }
  expect(scans).toBeGreaterThan(5);
});

it('more scans than anyone writes', () => {
  const last = progressive.subarray(progressive.lastIndexOf(SOS), -2);
  const repeated = (times: number) =>
    Buffer.concat([progressive.subarray(0, -2), ...Array(times).fill(last), END]);
  expect(isPlain(repeated(3))).toBe(true);
  expect(isPlain(repeated(100))).toBe(false);
});

it('a scan that is no scan', () => {
  const [firstCount, firstId] = [4, 5];
  expect(isPlain(patchedBehind(progressive, 0xda, firstId, [9]))).toBe(false);
  expect(isPlain(patchedBehind(progressive, 0xda, firstCount, [255]))).toBe(false);
  expect(isPlain(progressive.subarray(0, progressive.indexOf(SOS) + 5))).toBe(false);
  const range = 4 + 1 + 2 * 3;
  expect(isPlain(patchedBehind(progressive, 0xda, range, [0, 64]))).toBe(false);
});
