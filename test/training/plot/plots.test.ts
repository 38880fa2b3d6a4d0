import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { Canvas } from '../../../src/training/plot/canvas.ts';
import { confusionMatrix } from '../../../src/training/plot/confusion-matrix.ts';
import { learningCurve } from '../../../src/training/plot/learning-curve.ts';

async function pixels(png: Buffer) {
  const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
  return { width: info.width, height: info.height, data, at };
}

describe('Canvas', () => {
  test('draws rectangles, lines and text in their colours and nothing else', async () => {
    const canvas = new Canvas(120, 60);
    canvas.rectangle(10, 10, 20, 20, [255, 0, 0]);
    canvas.line([60, 0], [60, 59], [0, 0, 255]);
    canvas.text('A & B <c>', 70, 20, { colour: [0, 128, 0] });
    const { at, data } = await pixels(await canvas.png());
    expect(at(15, 15)).toEqual([255, 0, 0]);
    expect(at(60, 30)).toEqual([0, 0, 255]);
    expect(at(45, 30)).toEqual([255, 255, 255]);
    let green = 0;
    for (let i = 0; i < data.length; i += 3) {
      if ((data[i] ?? 255) < 100 && (data[i + 1] ?? 0) > 100 && (data[i + 2] ?? 255) < 100) green++;
    }
    expect(green).toBeGreaterThan(30);
  });

  test('what lies outside is cut off', async () => {
    const canvas = new Canvas(20, 20);
    canvas.rectangle(-10, -10, 100, 100, [1, 2, 3]);
    expect((await pixels(await canvas.png())).at(19, 19)).toEqual([1, 2, 3]);
  });
});

describe('plots', () => {
  test('confusion matrix: a full cell is dark, an empty one white', async () => {
    const { at, width } = await pixels(
      await confusionMatrix(
        ['hall', 'kitchen'],
        [
          [9, 0],
          [0, 4],
        ],
      ),
    );
    expect(width).toBeGreaterThan(200);
    expect(at(125, 75)[0]).toBeLessThan(100);
    expect(at(201, 75)).toEqual([255, 255, 255]);
  });

  test('labels of any length and script, or none that can be seen', async () => {
    const labels = [
      ...['Wohnzimmer mit offener Küche und Essbereich', '   ', '玄関'.repeat(30), 'i'.repeat(200)],
      ...['<b>&</b>', '👩‍👩‍👧'.repeat(20), 'a\nb'],
    ];
    const confusion = labels.map((_, i) => labels.map((__, k) => i + k));
    for (const count of [2, labels.length]) {
      const rows = confusion.slice(0, count).map((row) => row.slice(0, count));
      const { width } = await pixels(await confusionMatrix(labels.slice(0, count), rows));
      expect(width).toBeGreaterThan(200);
    }
  });

  test('learning curve of one epoch and of two stages', async () => {
    const record = (stage: string, epoch: number, loss: number) => ({
      ...{ stage, epoch, loss, accuracy: 0.5, validationLoss: loss + 0.1 },
      ...{ validationAccuracy: 0.6, validationMacroF1: 0.55 },
    });
    const one = await learningCurve([record('head', 1, 1)]);
    const two = await learningCurve([record('head', 1, 1), record('full', 1, 0.4)]);
    expect((await sharp(two).metadata()).width).toBe((await sharp(one).metadata()).width);
    expect(Buffer.compare(one, two)).not.toBe(0);
  });
});
