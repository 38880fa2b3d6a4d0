import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import type { Engine } from '../../src/inference/engine.ts';
import { PhotoLine } from '../../src/inference/photo-line.ts';
import { preprocess } from '../../src/inference/preprocess.ts';

/** Photos share memory one after the other: none may be seen in another's. */

const LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const folder = (name: string) => fileURLToPath(new URL(`../fixtures/${name}/`, import.meta.url));
const PHOTOS = ['rooms', 'formats'].flatMap((name) =>
  readdirSync(folder(name)).map((file) => `${folder(name)}${file}`),
);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('every photo has its own bytes and pixels beside twenty others', async () => {
  const bundle = await loadBundle(BUNDLED_MODEL_DIR);
  const asked: string[] = [];
  const engine: Engine = {
    name: 'wasm',
    atOnce: 2,
    async infer(pixels) {
      // Long enough for the next photo to be decoded meanwhile.
      for (let turn = 0; turn < 200; turn++) await setImmediate();
      asked.push(sha256(pixels));
      return Float32Array.from([9, 0, 0, 0, 0, 0]);
    },
    async close() {},
  };
  const line = new PhotoLine(engine, bundle, LIMITS);
  const expected = await Promise.all(
    PHOTOS.map(async (path) => {
      const bytes = readFileSync(path);
      return { bytes: sha256(bytes), pixels: sha256((await preprocess(bytes, LIMITS)).pixels) };
    }),
  );
  for (let round = 0; round < 3; round++) {
    const tagged = await Promise.all(PHOTOS.map((path) => line.tag(path)));
    expect(tagged.map((tagging) => tagging.sha256)).toEqual(expected.map(({ bytes }) => bytes));
  }
  const pixels = expected.flatMap((photo) => [photo.pixels, photo.pixels, photo.pixels]);
  expect(asked.toSorted()).toEqual(pixels.toSorted());
});
