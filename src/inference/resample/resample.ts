import { PIXEL_BYTES } from '../engine.ts';
import { INPUT_SIZE } from '../network/inceptionv3.ts';
import { type Reduction, reduction } from './lanczos.ts';
import { CODE } from './sums.ts';

/**
 * Resizes a decoded picture to the network's input: to the very bytes that sharp makes of it, which
 * takes three times as long, most of it for its pipeline and threads. In WebAssembly, because
 * JavaScript has no vector instructions.
 */

/** RGB, row by row. */
export interface Picture {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** From the start of one row to that of the next. */
  readonly rowBytes: number;
}

/** @returns `PIXEL_BYTES`, which are the result until the next call. */
export type Resample = (picture: Picture) => Uint8Array;

/** With this many times the result's pixels to a side, libvips begins with an average of some. */
const MOST = 4;

/** Whether a picture may be given to `Resample`: one that is reduced, but by not too much. */
export function isResampled({ width, height }: Pick<Picture, 'width' | 'height'>): boolean {
  return [width, height].every((side) => side > INPUT_SIZE && side < INPUT_SIZE * MOST);
}

let made: Resample | null | undefined;

/**
 * Made for the first who asks; null where the processor has no such instructions, or the address space
 * is bounded (V8 reserves gigabytes of it, not of memory).
 */
export function resampler(): Resample | null {
  if (made === undefined) made = make();
  return made;
}

/** What `sums.wat` exports. */
interface Sums {
  readonly memory: WebAssembly.Memory;
  ofRows(to: number, from: number, rowBytes: number, weights: number, pairs: number): void;
  ofPixels(to: number, from: number, sources: number, pixels: number, fours: number): void;
}

const CHANNELS = 3;
/** A multiple of 16, as the sums go, and at least what they read and write beyond the end. */
const SLACK = 16;

function make(): Resample | null {
  let sums: Sums;
  try {
    const module = new WebAssembly.Module(Buffer.from(CODE, 'base64'));
    sums = new WebAssembly.Instance(module).exports as Sums;
  } catch {
    return null;
  }
  return (picture) => resample(sums, picture);
}

function resample(sums: Sums, picture: Picture): Uint8Array {
  const down = reductionOf(picture.height);
  const across = reductionOf(picture.width);
  const rowBytes = (picture.width + across.rowTaps) * CHANNELS;
  const place = laidOut({
    downWeights: down.weights.byteLength,
    acrossWeights: across.weights.byteLength,
    sources: INPUT_SIZE * 8,
    picture: (picture.height + down.rowTaps) * rowBytes,
    rows: INPUT_SIZE * rowBytes,
    result: PIXEL_BYTES,
  });
  const memory = new Uint8Array(sums.memory.buffer);
  memory.set(new Uint8Array(down.weights.buffer), place.downWeights);
  memory.set(new Uint8Array(across.weights.buffer), place.acrossWeights);
  const sources = new Int32Array(sums.memory.buffer, place.sources, INPUT_SIZE * 2);
  across.first.forEach((first, i) => {
    sources[2 * i] = first * CHANNELS;
    sources[2 * i + 1] = place.acrossWeights + weightsAt(across, i);
  });
  framed(picture, down, across, memory.subarray(place.picture), rowBytes);
  for (let y = 0; y < INPUT_SIZE; y++) {
    const from = place.picture + (down.first[y] as number) * rowBytes;
    const row = place.rows + y * rowBytes;
    const weights = place.downWeights + weightsAt(down, y);
    sums.ofRows(row, from, rowBytes, weights, Math.ceil(down.taps / 2));
  }
  for (let y = 0; y < INPUT_SIZE; y++) {
    const row = place.rows + y * rowBytes;
    const result = place.result + y * INPUT_SIZE * CHANNELS;
    sums.ofPixels(result, row, place.sources, INPUT_SIZE, across.rowTaps / 4);
  }
  return memory.subarray(place.result, place.result + PIXEL_BYTES);
}

/** Bytes from the first weight to those of a pixel of the result. */
const weightsAt = ({ phase, rowTaps }: Reduction, i: number): number =>
  (phase[i] as number) * rowTaps * Int16Array.BYTES_PER_ELEMENT;

/** Lays things out one after the other. @returns where each begins. */
function laidOut<Name extends string>(bytes: Record<Name, number>): Record<Name, number> {
  let end = 0;
  const places = { ...bytes };
  for (const name of Object.keys(bytes) as Name[]) {
    places[name] = end;
    end = Math.ceil((end + bytes[name] + SLACK) / SLACK) * SLACK;
  }
  return places;
}

/** Writes a picture with its outermost pixels repeated, so that no result reaches beyond it. */
function framed(
  { pixels, width, height, rowBytes: pictureRow }: Picture,
  down: Reduction,
  across: Reduction,
  to: Uint8Array,
  rowBytes: number,
): void {
  const left = across.before * CHANNELS;
  const right = left + width * CHANNELS;
  for (let y = 0; y < height; y++) {
    const row = to.subarray((down.before + y) * rowBytes, (down.before + y + 1) * rowBytes);
    row.set(pixels.subarray(y * pictureRow, y * pictureRow + width * CHANNELS), left);
    for (let at = left - 1; at >= 0; at--) row[at] = row[at + CHANNELS] as number;
    for (let at = right; at < rowBytes; at++) row[at] = row[at - CHANNELS] as number;
  }
  const first = down.before * rowBytes;
  const last = first + (height - 1) * rowBytes;
  for (let y = 0; y < down.before; y++) to.copyWithin(y * rowBytes, first, first + rowBytes);
  for (let y = down.before + height; y < height + down.rowTaps; y++) {
    to.copyWithin(y * rowBytes, last, last + rowBytes);
  }
}

/** Of the last sizes: a camera's photos have one. */
const reductions = new Map<number, Reduction>();
const KEPT = 16;

function reductionOf(side: number): Reduction {
  const known = reductions.get(side);
  if (known) return known;
  if (reductions.size === KEPT) reductions.clear();
  const found = reduction(side, INPUT_SIZE);
  reductions.set(side, found);
  return found;
}
