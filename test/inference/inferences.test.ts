import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, it } from 'vitest';
import type { Engine } from '../../src/inference/engine.ts';
import { Inferences } from '../../src/inference/inferences.ts';

/** Inferences under way, by their photo, in the order in which they were begun. */
let begun: Map<number, (outcome: Float32Array | Error) => void>;
let closed: boolean;
beforeEach(() => {
  begun = new Map();
  closed = false;
});

const engine = (atOnce: number): Engine => ({
  atOnce,
  infer: ([photo = 0]) =>
    new Promise((resolve, reject) =>
      begun.set(photo, (outcome) =>
        outcome instanceof Error ? reject(outcome) : resolve(outcome),
      ),
    ),
  async close() {
    closed = true;
  },
});
const end = (photo: number, outcome: Float32Array | Error = Float32Array.of(photo)) => {
  begun.get(photo)?.(outcome);
  return settled();
};
const settled = () => new Promise(setImmediate);

it('has as many inferences under way as the engine does at once, in the order of asking', async () => {
  const inferences = new Inferences(engine(2));
  const answers = [1, 2, 3, 4].map((photo) => inferences.infer(Uint8Array.of(photo)));
  expect([...begun.keys()]).toEqual([1, 2]);
  await end(2);
  expect([...begun.keys()]).toEqual([1, 2, 3]);
  await end(1);
  for (const photo of [3, 4]) await end(photo);
  expect((await Promise.all(answers)).map(({ logits }) => [...logits])).toEqual([
    [1],
    [2],
    [3],
    [4],
  ]);
});

it('gives its place on after a failure, and tells of it', async () => {
  const inferences = new Inferences(engine(1));
  const failing = inferences.infer(Uint8Array.of(1));
  const next = inferences.infer(Uint8Array.of(2));
  await Promise.all([expect(failing).rejects.toThrow('broken'), end(1, new Error('broken'))]);
  await end(2);
  await next;
  const last = inferences.infer(Uint8Array.of(3));
  await end(3);
  expect([...(await last).logits]).toEqual([3]);
});

it('measures without the wait for a place', async () => {
  const inferences = new Inferences(engine(1));
  const first = inferences.infer(Uint8Array.of(1));
  const second = inferences.infer(Uint8Array.of(2));
  await sleep(60);
  await end(1);
  await end(2);
  expect((await first).ms).toBeGreaterThan(50);
  expect((await second).ms).toBeLessThan(50);
});

it('closes the engine once all have their answers, those that waited too', async () => {
  const inferences = new Inferences(engine(1));
  const answers = [1, 2].map((photo) => inferences.infer(Uint8Array.of(photo)));
  const closing = inferences.close();
  await end(1);
  expect(closed).toBe(false);
  await end(2);
  await closing;
  expect(closed).toBe(true);
  await Promise.all(answers);
});
