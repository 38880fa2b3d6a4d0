import { expect, test, vi } from 'vitest';
import { warmed } from '../../src/inference/engine.ts';

test('an engine that fails at first is closed, once no inference is under way', async () => {
  const events: string[] = [];
  const infer = vi
    .fn()
    .mockRejectedValueOnce(new Error('no memory'))
    .mockImplementationOnce(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      events.push('inferred');
    });
  const close = async () => {
    events.push('closed');
  };
  await expect(warmed({ name: 'openvino', atOnce: 2, infer, close })).rejects.toThrow('no memory');
  expect(events).toEqual(['inferred', 'closed']);
});
