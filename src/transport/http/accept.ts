export const RESULT_TYPE = 'application/vnd.retagger.result+json';
const SCORES_TYPE = 'application/json';

/**
 * Whether an `Accept` header asks for the full result: it names its type, and does not prefer
 * the scores. Anything else, also `text/html`, gets the six scores: the paper's callers send all sorts.
 */
export function wantsResult(accept: string | undefined): boolean {
  const quality = qualities(accept ?? '');
  const full = quality.get(RESULT_TYPE) ?? 0;
  const scores = quality.get(SCORES_TYPE) ?? 0;
  if (full === 0 || full !== scores) return full > scores;
  // Generated clients name every type of the description alike, and can read the first.
  const [first] = [...quality.keys()].filter(
    (type) => type === RESULT_TYPE || type === SCORES_TYPE,
  );
  return first === RESULT_TYPE;
}

/** Media type → q (0..1), in the header's order. */
function qualities(accept: string): Map<string, number> {
  const entries = accept.split(',').map((range): [string, number] => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const value = q === undefined ? 1 : Number(q);
    return [type, Number.isFinite(value) ? value : 0];
  });
  return new Map(entries);
}
