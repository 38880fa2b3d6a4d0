/** A string literal this long is taken out of the JSON text before it is parsed. */
const LONG = 4096;
/** What remains must be short: anything bigger is no message of ours but an attack on the parser. */
const SHORT_TEXT = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Stands in the parsed object for the string that was taken out; no valid value looks like it. */
export const TAKEN_OUT = '\u0000taken out';

export interface Split {
  /** The JSON text with `TAKEN_OUT` in place of the long string. */
  readonly text: string;
  /** Content of the long string literal, still escaped; null where there was none. */
  readonly long: Buffer | null;
}

/**
 * Splits JSON into a short text and its one long string. `JSON.parse` of a photo in base64 would
 * hold the whole text three times over, and of 80 MB of brackets take gigabytes.
 *
 * @returns null for JSON that is long in any other way.
 */
export function splitLongString(json: Buffer): Split | null {
  let found: { start: number; end: number } | null = null;
  let rest = json.length;
  let at = 0;
  for (;;) {
    const open = json.indexOf(QUOTE, at);
    if (open < 0) break;
    const close = closingQuote(json, open + 1);
    if (close < 0) break;
    if (close - open > LONG) {
      if (found !== null) return null;
      found = { start: open + 1, end: close };
      rest -= close - open;
    } else if (close - (found?.end ?? 0) > SHORT_TEXT) {
      return null;
    }
    at = close + 1;
  }
  if (rest > SHORT_TEXT) return null;
  if (found === null) return { text: json.toString('utf8'), long: null };
  const before = json.subarray(0, found.start).toString('utf8');
  const after = json.subarray(found.end).toString('utf8');
  const mark = JSON.stringify(TAKEN_OUT).slice(1, -1);
  return { text: before + mark + after, long: json.subarray(found.start, found.end) };
}

/** Position of the quote that ends a string literal, -1 where it does not end. */
function closingQuote(json: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const close = json.indexOf(QUOTE, at);
    if (close < 0) return -1;
    let slashes = 0;
    while (close - 1 - slashes >= from && json[close - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return close;
    at = close + 1;
  }
}
