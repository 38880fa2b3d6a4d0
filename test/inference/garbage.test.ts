import { getHeapStatistics } from 'node:v8';
import { expect, it } from 'vitest';
import { collectPhotos } from '../../src/inference/garbage.ts';

const MiB = 1024 * 1024;

it('what nobody needs any more does not pile up outside the heap', () => {
  collectPhotos();
  const before = getHeapStatistics().external_memory;
  let most = 0;
  for (let photo = 0; photo < 48; photo++) {
    Buffer.alloc(MiB, 1);
    collectPhotos();
    most = Math.max(most, getHeapStatistics().external_memory);
  }
  expect(most - before).toBeLessThan(24 * MiB);
});
