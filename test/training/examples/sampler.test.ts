import { describe, expect, test } from 'vitest';
import { evenly, plainExamples, planExamples } from '../../../src/training/examples/examples.ts';
import {
  classDraws,
  createSampler,
  drawSystematic,
} from '../../../src/training/examples/sampler.ts';
import { random } from '../../../src/training/random.ts';

const photos = (count: number, label: number, home: string) =>
  Array.from({ length: count }, (_, i) => ({ file: `${label}/${home}_${i}.jpg`, label }));
const homeOf = ({ file }: { file: string }) => `home:${file.split('/')[1]?.split('_')[0]}`;

describe('classDraws', () => {
  test('equal, root and natural counts', () => {
    expect(classDraws([100, 400], 'equal')).toEqual([100, 100]);
    expect(classDraws([100, 400], 'root')).toEqual([100, 200]);
    expect(classDraws([100, 400], 'none')).toEqual([100, 400]);
  });
});

describe('drawSystematic', () => {
  const items = Array.from({ length: 50 }, (_, i) => i);

  test('with equal weights none is drawn twice', () => {
    const drawn = drawSystematic(
      items,
      items.map(() => 1),
      30,
      random(1, 'x'),
    );
    expect(new Set(drawn).size).toBe(30);
  });

  test('counts follow the weights within one', () => {
    const weights = items.map((i) => (i < 10 ? 3 : 1));
    const drawn = drawSystematic(items, weights, 140, random(2, 'x'));
    for (const item of items) {
      const expected = (140 * (item < 10 ? 3 : 1)) / 70;
      const count = drawn.filter((one) => one === item).length;
      expect(Math.abs(count - expected)).toBeLessThanOrEqual(1);
    }
  });
});

describe('createSampler', () => {
  const some = [...photos(10, 0, 'small'), ...photos(40, 1, 'large'), ...photos(10, 1, 'other')];
  const options = { balance: 'equal', spread: 0, seed: 1 } as const;

  test('equal: every class as often as the smallest, other photos each epoch', () => {
    const sampler = createSampler(planExamples(some, 40), 2, homeOf, options);
    for (const label of [0, 1]) {
      expect(sampler(1).filter(({ photo }) => photo.label === label)).toHaveLength(10);
    }
    expect(sampler(1)).toEqual(sampler(1));
    const files = (epoch: number) => new Set(sampler(epoch).map(({ photo }) => photo.file));
    expect(files(1)).not.toEqual(files(2));
  });

  test('spread 1: a home with few photos comes as often as one with many', () => {
    const sampler = createSampler(plainExamples(some), 2, homeOf, {
      ...{ balance: 'none', spread: 1, seed: 1 },
    });
    const drawn = sampler(1).filter(({ photo }) => photo.label === 1);
    const other = drawn.filter(({ photo }) => homeOf(photo) === 'home:other');
    expect(other).toHaveLength(25);
  });
});

test('evenly takes from all of a list, its end too', () => {
  const items = Array.from({ length: 255 }, (_, i) => i);
  const some = evenly(items, 128);
  expect([new Set(some).size, some[0], some.at(-1)]).toEqual([128, 0, 253]);
  expect(evenly(items, 255)).toEqual(items);
  expect(evenly([1, 2], 128)).toEqual([1, 2]);
});

describe('planExamples', () => {
  test('small classes get more variants, every photo at least one', () => {
    const planned = planExamples([...photos(10, 0, 'a'), ...photos(100, 1, 'b')], 30);
    expect(planned.filter(({ photo }) => photo.label === 0)).toHaveLength(30);
    expect(planned.filter(({ photo }) => photo.label === 1)).toHaveLength(100);
    expect(planned.every(({ variant }) => variant >= 1)).toBe(true);
  });
});
