import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { BUNDLED_MODEL_DIR, loadBundle } from '../../src/inference/bundle.ts';
import type { Engine } from '../../src/inference/engine.ts';
import { PhotoLine } from '../../src/inference/photo-line.ts';
import { preprocess } from '../../src/inference/preprocess.ts';

/** Places that photos have taken and not given back. */
const held = vi.hoisted(() => new Set<ArrayBufferLike>());
vi.mock('../../src/inference/buffer-pool.ts', async (original) => {
  const { acquireBuffer, releaseBuffer } =
    await original<typeof import('../../src/inference/buffer-pool.ts')>();
  return {
    acquireBuffer: (bytes: number) => {
      const place = acquireBuffer(bytes);
      held.add(place.buffer);
      return place;
    },
    releaseBuffer: (place: Buffer) => {
      held.delete(place.buffer);
      releaseBuffer(place);
    },
  };
});

/** Photos that are being decoded. */
const decoding = vi.hoisted(() => ({ now: 0, most: 0 }));
vi.mock('../../src/inference/preprocess.ts', async (original) => {
  const real = await original<typeof import('../../src/inference/preprocess.ts')>();
  return {
    ...real,
    preprocess: async (...args: Parameters<typeof real.preprocess>) => {
      decoding.now += 1;
      decoding.most = Math.max(decoding.most, decoding.now);
      return real.preprocess(...args).finally(() => {
        decoding.now -= 1;
      });
    },
  };
});

/** Photos share memory one after the other: none may be seen in another's. */

const LIMITS = { pixels: 100_000_000, bytes: 64 * 1024 * 1024 };
const folder = (name: string) => fileURLToPath(new URL(`../fixtures/${name}/`, import.meta.url));
const PHOTOS = ['rooms', 'formats'].flatMap((name) =>
  readdirSync(folder(name)).map((file) => `${folder(name)}${file}`),
);

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** An engine that has its answer at once. */
const QUICK: Engine = {
  atOnce: 1,
  infer: async () => Float32Array.from([9, 0, 0, 0, 0, 0]),
  async close() {},
};

async function lineOf(engine: Engine): Promise<PhotoLine> {
  const bundle = await loadBundle(BUNDLED_MODEL_DIR);
  return new PhotoLine(engine, { bundle, engine: 'wasm', limits: LIMITS });
}

it('every photo has its own bytes and pixels beside twenty others', async () => {
  const asked: string[] = [];
  const engine: Engine = {
    atOnce: 2,
    async infer(pixels) {
      // Long enough for the next photo to be decoded meanwhile.
      for (let turn = 0; turn < 200; turn++) await setImmediate();
      asked.push(sha256(pixels));
      return Float32Array.from([9, 0, 0, 0, 0, 0]);
    },
    async close() {},
  };
  const line = await lineOf(engine);
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

it('no photo keeps its memory, tagged or refused', async () => {
  held.clear(); // what the tests before have of `preprocess`
  const line = await lineOf(QUICK);
  await line.tag(`${folder('rooms')}hall.jpg`);
  await expect(line.tag(`${folder('refused')}truncated.jpg`)).rejects.toThrow();
  await expect(line.tag(`${folder('refused')}bomb.png`)).rejects.toThrow();
  expect(held.size).toBe(0);
});

it('one picture that weighs is decoded at a time, also after one that does not decode', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'retagger-costly-'));
  const rest = Buffer.alloc(4 * 1024 * 1024);
  const costly = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(dir, name), Buffer.concat([bytes, rest]));
    return join(dir, name);
  };
  const whole = readFileSync(`${folder('formats')}plain.gif`);
  const paths = [costly('half.gif', whole.subarray(0, 40)), costly('whole.gif', whole)];
  const line = await lineOf(QUICK);
  decoding.most = 0;
  const ended = await Promise.allSettled([...paths, ...paths].map((path) => line.tag(path)));
  const [half, other] = ['rejected', 'fulfilled'];
  expect(ended.map(({ status }) => status)).toEqual([half, other, half, other]);
  expect(decoding).toEqual({ now: 0, most: 1 });
  rmSync(dir, { recursive: true });
});
