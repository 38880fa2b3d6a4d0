import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { alone, besideOthers } from '../../../src/inference/decoders/libvips.ts';
import { holds } from '../../property.ts';

test('what runs alone has none beside it, and what fails holds up nobody', async () => {
  const call = fc.record({ solo: fc.boolean(), ms: fc.nat(3), fails: fc.boolean() });
  await holds(
    'libvips',
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      let running = 0;
      let most = 0;
      const beside: number[] = [];
      const ends = calls.map(({ solo, ms, fails }) =>
        (solo ? alone : besideOthers)(async () => {
          running += 1;
          most = Math.max(most, running);
          if (solo) beside.push(running);
          await sleep(ms);
          if (solo) beside.push(running);
          running -= 1;
          if (fails) throw new Error('damaged');
        }),
      );
      const settled = await Promise.allSettled(ends);
      expect(settled.map(({ status }) => status === 'rejected')).toEqual(
        calls.map(({ fails }) => fails),
      );
      expect(new Set(beside)).toEqual(new Set(beside.length > 0 ? [1] : []));
      if (calls.length > 1 && calls.every(({ solo }) => !solo)) expect(most).toBe(calls.length);
    }),
    100,
  );
});
