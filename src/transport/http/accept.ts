export const RESULT_TYPE = 'application/vnd.retagger.result+json';

/**
 * Whether an `Accept` header asks for the full result: it names its type, and prefers nothing else
 * to it. Anything else, also `text/html`, gets the six scores: the paper's callers send all sorts.
 */
export function wantsResult(accept: string | undefined): boolean {
  const quality = qualities(accept ?? '');
  const full = quality.get(RESULT_TYPE) ?? 0;
  return full > 0 && full >= (quality.get('application/json') ?? 0);
}

/** Media type → q (0..1). */
function qualities(accept: string): Map<string, number> {
  const entries = accept.split(',').map((range): [string, number] => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const value = q === undefined ? 1 : Number(q);
    return [type, Number.isFinite(value) ? value : 0];
  });
  return new Map(entries);
}
