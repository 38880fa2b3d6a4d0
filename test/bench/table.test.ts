import { expect, it } from 'vitest';
import { median } from '../../src/bench/median.ts';
import { engineTable, summarize } from '../../src/bench/table.ts';

const round = (infer: number, photosPerSecond: number, peakBytes: number | null) => ({
  ...{ start: 500, decode: 8, infer, photosPerSecond, peakBytes },
});

it('takes the middle, or the mean of the middle two', () => {
  expect(median([3, 100, 1])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

it('takes medians of times and the largest of the peaks', () => {
  const rounds = [round(20, 40, 150e6), round(90, 10, 160e6), round(22, 38, null)];
  expect(summarize('onnxruntime', rounds)).toEqual({
    ...{ engine: 'onnxruntime', rounds: 3, start: 500, decode: 8 },
    ...{ infer: 22, photosPerSecond: 38, peakBytes: 160e6 },
  });
});

it('names what auto takes, the ratio to the slowest, and why an engine is missing', () => {
  const figures = [
    summarize('onnxruntime', [round(20, 40, 150e6)]),
    { engine: 'tfjs-node' as const, reason: 'no native library' },
    summarize('wasm', [round(200, 5, 300e6)]),
  ];
  const lines = engineTable(figures, ['openvino', 'onnxruntime', 'wasm']).trimEnd().split('\n');
  expect(lines[1]?.split(/ +/)).toEqual([
    'onnxruntime',
    '8.0',
    '20.0',
    '40.0',
    '8.0',
    '150',
    '500',
  ]);
  expect(lines[3]).toContain('no native library');
  expect(lines.at(-1)).toBe('auto takes onnxruntime');
  expect(engineTable(figures.slice(1), ['onnxruntime', 'wasm'])).toContain('auto takes wasm');
});
