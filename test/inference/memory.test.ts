import { expect, it } from 'vitest';
import { type Memory, memoryOf, together } from '../../src/inference/memory.ts';

it("tells a process's memory as the kernel does, with what only it has", () => {
  const { total, own } = memoryOf(process.pid) as Memory;
  // Both are read a moment apart.
  expect(Math.abs(total - process.memoryUsage.rss())).toBeLessThan(16 * 2 ** 20);
  expect(own).toBeGreaterThan(4 * 2 ** 20);
  expect(own).toBeLessThan(total);
});

it('knows nothing of a process that is gone', () => {
  expect(memoryOf(2 ** 30)).toBeNull();
});

it('counts once what processes share', () => {
  const [first, second] = [
    { total: 140, own: 50 },
    { total: 120, own: 60 },
  ];
  expect(together([first, second])).toBe(50 + 60 + 90);
  expect(together([first])).toBe(140);
  expect(together([])).toBe(0);
});
