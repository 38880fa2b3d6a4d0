import { describe, expect, it } from 'vitest';
import {
  INPUT,
  inceptionV3,
  type Layer,
  LOGITS,
} from '../../../src/inference/network/inceptionv3.ts';
import { layerShapes, pads } from '../../../src/inference/network/shapes.ts';

describe('layerShapes', () => {
  it('gives the published sizes of the mixed blocks', () => {
    const shapes = layerShapes(inceptionV3(6));
    expect(Array.from({ length: 11 }, (_, i) => shapes.get(`mixed${i}`))).toEqual([
      [35, 35, 256],
      [35, 35, 288],
      [35, 35, 288],
      [17, 17, 768],
      [17, 17, 768],
      [17, 17, 768],
      [17, 17, 768],
      [17, 17, 768],
      [8, 8, 1280],
      [8, 8, 2048],
      [8, 8, 2048],
    ]);
    expect(shapes.get('conv2d_1')).toEqual([149, 149, 32]);
    expect(shapes.get(LOGITS)).toEqual([1, 1, 6]);
  });
});

describe('pads', () => {
  it('keeps the size at stride 1, and puts the odd row behind', () => {
    expect(pads(35, 3, 1, 'same')).toEqual([1, 1]);
    expect(pads(17, 7, 1, 'same')).toEqual([3, 3]);
    expect(pads(17, 1, 1, 'same')).toEqual([0, 0]);
    expect(pads(8, 3, 2, 'same')).toEqual([0, 1]);
    expect(pads(299, 3, 2, 'valid')).toEqual([0, 0]);
  });

  it('agrees with the shapes', () => {
    for (const [size, stride] of [
      [10, 1],
      [10, 2],
      [11, 2],
    ] as const) {
      const layers: Layer[] = [
        { kind: 'maxPool', name: 'p', from: INPUT, stride, padding: 'same' },
      ];
      const [before, after] = pads(size, 3, stride, 'same');
      expect(layerShapes(layers, size).get('p')?.[0]).toBe(
        Math.floor((size + before + after - 3) / stride) + 1,
      );
    }
  });
});
