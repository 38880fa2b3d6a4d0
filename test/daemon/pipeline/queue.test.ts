import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PriorityQueue } from '../../../src/daemon/pipeline/queue.ts';
import type { Source } from '../../../src/result.ts';

const source = fc.constantFrom<Source>('http', 'mqtt', 'folder');

test('every item leaves once, those of one source in order', () => {
  fc.assert(
    fc.property(fc.array(fc.option(source)), (steps) => {
      const queue = new PriorityQueue<{ from: Source; n: number }>();
      const out: { from: Source; n: number }[] = [];
      let pushed = 0;
      for (const from of steps) {
        if (from !== null) queue.push(from, { from, n: pushed++ });
        else out.push(...[queue.shift()].filter((item) => item !== undefined));
      }
      for (let item = queue.shift(); item; item = queue.shift()) out.push(item);
      expect(out).toHaveLength(pushed);
      expect(queue.shift()).toBeUndefined();
      for (const each of ['http', 'mqtt', 'folder']) {
        const numbers = out.filter(({ from }) => from === each).map(({ n }) => n);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
    }),
  );
});

test('HTTP goes before MQTT before the folder', () => {
  const queue = new PriorityQueue<string>();
  for (const from of ['folder', 'mqtt', 'http'] as const) queue.push(from, from);
  expect([queue.shift(), queue.shift(), queue.shift()]).toEqual(['http', 'mqtt', 'folder']);
});

test('of eight turns one is for whoever waits longest, and none where nobody else waits', () => {
  const queue = new PriorityQueue<string>();
  const turns = (count: number) =>
    Array.from({ length: count }, () => {
      queue.push('http', 'http');
      return queue.shift();
    });
  const http = Array(7).fill('http');
  expect(turns(7)).toEqual(http);
  queue.push('mqtt', 'first');
  queue.push('folder', 'second');
  expect(turns(24)).toEqual([...http, 'first', ...http, 'second', ...http, 'http']);
});

test('takes from one source alone when asked to', () => {
  const queue = new PriorityQueue<string>();
  queue.push('mqtt', 'mqtt');
  expect(queue.shift('http')).toBeUndefined();
  queue.push('http', 'http');
  expect(queue.shift('http')).toBe('http');
  expect(queue.shift()).toBe('mqtt');
});
