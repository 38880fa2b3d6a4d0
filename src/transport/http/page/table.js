import { UNSURE } from './dom.js';

/**
 * What became of a photo; neither a result nor an error while it waits.
 * @typedef {{file: string, result: import('./api.js').Result | null, error: string | null}} Row
 */

/** Without it Excel does not take the file for UTF-8. */
const BYTE_ORDER_MARK = '\ufeff';
/** To a spreadsheet such a cell is a formula, and anybody may name a photo. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
/** Some countries' spreadsheets part cells by semicolons. */
const PARTS = /[",;\t\r\n]/;

/**
 * The finished photos as CSV (RFC 4180).
 * @param {Row[]} rows
 */
export function tableOf(rows) {
  const finished = rows.filter(isFinished);
  const labels = [...new Set(finished.flatMap(({ result }) => Object.keys(result?.scores ?? {})))];
  const lines = finished.map(({ file, result, error }) => {
    const scores = [result?.score, ...labels.map((label) => result?.scores[label])];
    const tag = result && (result.tag ?? UNSURE);
    return [file, tag ?? '', ...scores.map((score) => score?.toFixed(4) ?? ''), error ?? ''];
  });
  const header = ['file', 'tag', 'score', ...labels, 'error'];
  const text = [header, ...lines].map((cells) => `${cells.map(safe).join(',')}\r\n`);
  return BYTE_ORDER_MARK + text.join('');
}

/** @param {Row} row */
export const isFinished = ({ result, error }) => result !== null || error !== null;

/**
 * Hands a table to the browser, which saves it as it saves downloads.
 * @param {string} table
 */
export function save(table) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([table], { type: 'text/csv' }));
  // Sweden writes dates as ISO does.
  link.download = `retagger-${new Date().toLocaleDateString('sv')}.csv`;
  link.click();
  // Some browsers read it only after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {string} text */
function safe(text) {
  const harmless = FORMULA.test(text) ? `'${text}` : text;
  return PARTS.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
