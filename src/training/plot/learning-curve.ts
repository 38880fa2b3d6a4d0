import type { EpochRecord } from '../checkpoint.ts';
import { Canvas, type Colour } from './canvas.ts';

interface Series {
  readonly name: string;
  readonly colour: Colour;
  readonly of: (record: EpochRecord) => number;
}

const GREY: Colour = [200, 200, 200];
const BLUE: Colour = [31, 119, 180];
const ORANGE: Colour = [230, 110, 20];
const GREEN: Colour = [44, 140, 44];

const PANEL = { width: 440, height: 300, left: 60, top: 50 };

function panel(
  canvas: Canvas,
  offset: number,
  title: string,
  history: readonly EpochRecord[],
  series: readonly Series[],
): void {
  const left = offset + PANEL.left;
  const values = series.flatMap(({ of }) => history.map(of));
  const low = Math.floor(Math.min(...values) * 10) / 10;
  const high = Math.max(Math.ceil(Math.max(...values) * 10) / 10, low + 0.1);
  const x = (i: number) => left + (PANEL.width * i) / Math.max(1, history.length - 1);
  const y = (value: number) => PANEL.top + PANEL.height * (1 - (value - low) / (high - low));
  canvas.text(title, left, 16, { colour: [0, 0, 0], size: 15 });
  for (let tick = 0; tick <= 5; tick++) {
    const value = low + ((high - low) * tick) / 5;
    canvas.rectangle(left, y(value), PANEL.width, 1, GREY);
    canvas.text(value.toFixed(2), offset + 18, y(value) - 7);
  }
  for (const [i, record] of history.entries()) {
    const first = record.stage !== history[i - 1]?.stage;
    if (first) canvas.rectangle(x(i), PANEL.top, 1, PANEL.height, GREY);
    if (first || i === history.length - 1) {
      canvas.text(`${record.stage} ${record.epoch}`, x(i) - 14, PANEL.top + PANEL.height + 8);
    }
  }
  for (const [k, { name, colour, of }] of series.entries()) {
    for (const [i, record] of history.entries()) {
      const before = history[i - 1] ?? record;
      canvas.line([x(Math.max(0, i - 1)), y(of(before))], [x(i), y(of(record))], colour);
      canvas.rectangle(x(i) - 3, y(of(record)) - 3, 6, 6, colour);
    }
    canvas.text(name, left + 145 * k, PANEL.top + PANEL.height + 32, { colour });
  }
}

/** Loss on the left, accuracy and macro F1 on the right, by epoch. PNG. */
export async function learningCurve(history: readonly EpochRecord[]): Promise<Buffer> {
  const canvas = new Canvas(1060, 410);
  panel(canvas, 0, 'Loss', history, [
    { name: 'training', colour: BLUE, of: (record) => record.loss },
    { name: 'validation', colour: ORANGE, of: (record) => record.validationLoss },
  ]);
  panel(canvas, 525, 'Accuracy', history, [
    { name: 'training', colour: BLUE, of: (record) => record.accuracy },
    { name: 'validation', colour: ORANGE, of: (record) => record.validationAccuracy },
    { name: 'macro F1', colour: GREEN, of: (record) => record.validationMacroF1 },
  ]);
  return canvas.png();
}
