import type { Dataset } from '../training/data/dataset.ts';
import { argmax } from '../training/metrics.ts';

const CORNER = 'truth \\ tag';

/**
 * The confusion matrix as text, truth down, tags across.
 * @param confusion photos by true label and by top tag, in label order.
 */
export function confusionTable(
  labels: readonly string[],
  confusion: readonly (readonly number[])[],
): string {
  const longest = (cells: readonly (string | number)[]) =>
    Math.max(...cells.map((cell) => String(cell).length));
  const first = longest([CORNER, ...labels]) + 2;
  const width = longest([...labels, ...confusion.flat()]) + 2;
  const line = (cells: readonly (string | number)[]) =>
    cells
      .map((cell, i) => (i === 0 ? String(cell).padEnd(first) : String(cell).padStart(width)))
      .join('');
  return [
    line([CORNER, ...labels]),
    ...confusion.map((counts, i) => line([labels[i] ?? '', ...counts])),
  ].join('\n');
}

/**
 * Photos whose top tag is not their label, the surest first, as CSV (RFC 4180).
 * @param scores a row a photo, in label order; null for one that could not be read.
 */
export function mistakesCsv(
  { photos, labels }: Dataset,
  scores: readonly (readonly number[] | null)[],
): string {
  const rows = photos.flatMap(({ file, label }, i) => {
    const own = scores[i];
    if (!own) return [];
    const answer = argmax(own);
    if (answer === label) return [];
    return [{ file, truth: labels[label], answer: labels[answer], score: own[answer] ?? 0 }];
  });
  rows.sort((a, b) => b.score - a.score);
  const lines = rows.map(({ file, truth, answer, score }) =>
    [file, truth, answer, score.toFixed(4)].map(quoted).join(','),
  );
  return `${['file,truth,answer,score', ...lines].join('\n')}\n`;
}

const quoted = (field = ''): string =>
  /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
