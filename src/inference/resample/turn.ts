import { INPUT_SIZE } from '../network/inceptionv3.ts';

const SIDE = INPUT_SIZE;
const LAST = SIDE - 1;
const CHANNELS = 3;

/** By EXIF's number, in pixels of a picture as it is stored: the upright one's first, the next in its row, the next in its column. */
const WAYS: Readonly<Record<number, readonly [first: number, across: number, down: number]>> = {
  2: [LAST, -1, SIDE],
  3: [SIDE * SIDE - 1, -1, -SIDE],
  4: [SIDE * LAST, 1, -SIDE],
  5: [0, SIDE, 1],
  6: [SIDE * LAST, -SIDE, 1],
  7: [SIDE * SIDE - 1, -SIDE, -1],
  8: [LAST, SIDE, -1],
};

/**
 * Turns and mirrors an input of the network until it is upright.
 * @param orientation EXIF's number, 1 to 8.
 * @param to gets the result; other memory than `pixels`.
 */
export function turn(pixels: Uint8Array, orientation: number, to: Uint8Array): void {
  const way = WAYS[orientation];
  if (!way) {
    to.set(pixels);
    return;
  }
  const [first, across, down] = way.map((step) => step * CHANNELS) as [number, number, number];
  let at = 0;
  for (let y = 0; y < SIDE; y++) {
    let from = first + y * down;
    for (let x = 0; x < SIDE; x++, from += across) {
      to[at++] = pixels[from] as number;
      to[at++] = pixels[from + 1] as number;
      to[at++] = pixels[from + 2] as number;
    }
  }
}
