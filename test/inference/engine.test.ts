import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { warmed } from '../../src/inference/engine.ts';

const manifest = { labels: ['a', 'b'], thresholds: { a: 0, b: 0 }, temperature: 1 };

test('an engine that fails at first is closed, once no inference is under way', async () => {
  const events: string[] = [];
  const infer = vi
    .fn()
    .mockRejectedValueOnce(new Error('no memory'))
    .mockImplementationOnce(async () => {
      await sleep(20);
      events.push('inferred');
    });
  const close = async () => {
    events.push('closed');
  };
  await expect(warmed({ atOnce: 2, infer, close }, manifest)).rejects.toThrow('no memory');
  expect(events).toEqual(['inferred', 'closed']);
});

test.each([
  ['for more labels than the model has', [1, 2, 3]],
  ['for fewer', [1]],
  ['that is no number', [1, Number.NaN]],
])('an engine that answers %s does not load', async (_, logits) => {
  const close = vi.fn(async () => {});
  const infer = async () => Float32Array.from(logits);
  await expect(warmed({ atOnce: 1, infer, close }, manifest)).rejects.toThrow('for 2 labels');
  expect(close).toHaveBeenCalledOnce();
});
