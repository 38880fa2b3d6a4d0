import { expect, it } from 'vitest';
import { inceptionV3 } from '../../../src/inference/network/inceptionv3.ts';
import { poolsBehindConvolutions } from '../../../src/training/export/pools.ts';
import { isQuantized, planScales } from '../../../src/training/export/scales.ts';

const layers = poolsBehindConvolutions(inceptionV3(6));
const { measured, scaleOf } = planScales(layers);

it('writes every branch of a block in the block’s scale, also through an inner one', () => {
  for (const layer of layers) {
    if (layer.kind !== 'concat') continue;
    for (const from of layer.from) {
      const pool = layers.find(({ name }) => name === from)?.kind === 'maxPool';
      if (!pool) expect(scaleOf.get(from), from).toBe(scaleOf.get(layer.name));
    }
  }
  expect(scaleOf.get('mixed9_three')).toBe('mixed9');
});

it('keeps a maximum in the scale of what it reads', () => {
  for (const layer of layers) {
    if (layer.kind === 'maxPool') expect(scaleOf.get(layer.name)).toBe(scaleOf.get(layer.from));
  }
});

it('measures each scale once, and one for every 8-bit layer', () => {
  expect(new Set(measured).size).toBe(measured.length);
  for (const layer of layers.filter(isQuantized)) {
    expect(measured).toContain(scaleOf.get(layer.name));
  }
  for (const name of measured) expect(scaleOf.get(name)).toBe(name);
});
