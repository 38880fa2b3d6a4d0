import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ModelBundle } from '../../src/inference/bundle.ts';
import { type Engine, type EngineName, PIXEL_BYTES } from '../../src/inference/engine.ts';
import { infersTwice, loadEngine } from '../../src/inference/engines.ts';
import { INPUT_SIZE } from '../../src/inference/network/inceptionv3.ts';
import { randomPixels } from '../training/export/tiny-network.ts';
import { LABELS } from './tiny-bundle.ts';

const photo = randomPixels(INPUT_SIZE, 42);
const other = randomPixels(INPUT_SIZE, 43);

/** What `engine.ts` promises, for every engine. @param bundle of a tiny network, once tests run. */
export function promisesOfEngine(name: EngineName, bundle: () => ModelBundle): void {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadEngine(name, bundle(), { threads: 1 });
  });
  afterAll(() => engine.close());

  it('gives one finite logit per label, the same each time', async () => {
    const first = await engine.infer(photo);
    expect(first).toBeInstanceOf(Float32Array);
    expect(first).toHaveLength(LABELS.length);
    expect(first.every(Number.isFinite)).toBe(true);
    const between = await engine.infer(other);
    expect(between).not.toEqual(first);
    expect(await engine.infer(photo)).toEqual(first);
  });

  it('leaves the pixels alone and its earlier answers as they were', async () => {
    const pixels = photo.slice();
    const first = await engine.infer(pixels);
    const copy = first.slice();
    await engine.infer(other);
    expect(Buffer.compare(pixels, photo)).toBe(0);
    expect(first).toEqual(copy);
  });

  it('refuses pixels of another size', async () => {
    for (const length of [0, PIXEL_BYTES - 1, PIXEL_BYTES + 1]) {
      await expect(engine.infer(new Uint8Array(length))).rejects.toThrow(RangeError);
    }
    await expect(engine.infer(photo)).resolves.toHaveLength(LABELS.length);
  });

  if (!infersTwice(name)) return;
  it('does two at once where it is asked to, not more', async () => {
    const two = await loadEngine(name, bundle(), { threads: 2, atOnce: 2 });
    expect([engine.atOnce, two.atOnce]).toEqual([1, 2]);
    const expected = [await engine.infer(photo), await engine.infer(other)];
    for (let round = 0; round < 20; round++) {
      expect(await Promise.all([two.infer(photo), two.infer(other)])).toEqual(expected);
    }
    const three = [photo, other, photo].map((pixels) => two.infer(pixels));
    const outcomes = await Promise.allSettled(three);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(two.infer(photo)).resolves.toEqual(expected[0]);
    await two.close();
    await two.close();
  });
}
