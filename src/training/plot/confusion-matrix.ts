import { Canvas, type Colour } from './canvas.ts';

const CELL = 76;
const LEFT = 120;
const TOP = 70;

/** Share 0..1 from white to blue. */
const shade = (share: number): Colour => [
  Math.round(255 - 225 * share),
  Math.round(255 - 165 * share),
  Math.round(255 - 85 * share),
];

/**
 * Rows are the truth, columns the answer; colour is the share of the row. PNG.
 * @param confusion `confusion[truth][answer]`: photos.
 */
export async function confusionMatrix(
  labels: readonly string[],
  confusion: readonly (readonly number[])[],
): Promise<Buffer> {
  const canvas = new Canvas(LEFT + CELL * labels.length + 24, TOP + CELL * labels.length + 24);
  canvas.text('rows: truth, columns: answer', 12, 14, { colour: [90, 90, 90], size: 12 });
  for (const [i, row] of confusion.entries()) {
    const total = Math.max(
      1,
      row.reduce((a, b) => a + b, 0),
    );
    canvas.text(labels[i] ?? '', 12, TOP + CELL * i + CELL / 2 - 8, { right: LEFT });
    const column = LEFT + CELL * i;
    canvas.text(labels[i] ?? '', column + 4, TOP - 24, { right: column + CELL });
    for (const [k, count] of row.entries()) {
      const [x, y] = [LEFT + CELL * k, TOP + CELL * i];
      const share = count / total;
      canvas.rectangle(x + 1, y + 1, CELL - 2, CELL - 2, shade(share));
      const colour: Colour = share > 0.5 ? [255, 255, 255] : [40, 40, 40];
      canvas.text(String(count), x + CELL / 2 - 4 * String(count).length, y + 18, {
        colour,
        size: 14,
      });
      canvas.text(`${(100 * share).toFixed(0)} %`, x + CELL / 2 - 14, y + 42, { colour, size: 11 });
    }
  }
  return canvas.png();
}
