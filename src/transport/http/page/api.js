import { pause } from './dom.js';
import { askForToken, authorization } from './token.js';

/**
 * @typedef {Record<string, number>} Scores
 * @typedef {{id: string, source: string, file: string | null, tag: string | null, score: number,
 *   scores: Scores, ms: {queued: number, decode: number, infer: number}}} Result
 * @typedef {{id: string, source: string, file: string | null, code: string, message: string}} Failure
 * @typedef {{kind: 'result', at: string, result: Result}
 *   | {kind: 'failure', at: string, failure: Failure}} FeedItem
 * @typedef {{node: string, model: string | null, engine: string | null, labels: string[],
 *   counts: {tags: Record<string, number>, abstained: number, failed: number},
 *   items: FeedItem[]}} Recent
 * @typedef {{ready: boolean, checks: Record<string, {ok: boolean, detail?: string}>}} Readiness
 */

const RESULT_TYPE = 'application/vnd.retagger.result+json';
const NO_ANSWER = 'The box does not answer.';
/** What is between us and the box answers in its own words, or in none. */
const NOT_ITS = 'Something else than the box answered.';
const TOO_LARGE = 'The photo is too large for what is between this page and the box (413).';
const GONE = 'The browser cannot read this file any more.';
/** A box that does not say in this time how it is does not answer. */
const HEALTH_MS = 4000;
/** A box that is busy or away is asked again so often; with the pauses this is some minutes. */
const TRIES = 30;
const LONGEST_PAUSE_S = 10;
const BUSY = 'The box is busy; waiting';
/** It begins anew, or the network is gone: what waits behind this photo must not all fail for it. */
const AWAY = 'The box does not answer; waiting';

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {number} [retryAfter] seconds
   * @param {string} [code] only the box itself gives one.
   */
  constructor(status, detail, retryAfter, code) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
    this.code = code;
  }
}

/**
 * Asks for the token and tries again where the box wants one.
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} a success
 */
export async function call(path, options = {}) {
  for (;;) {
    const token = authorization();
    const headers = { ...options.headers, ...token };
    const response = await fetch(path, { ...options, headers }).catch(() => {
      throw new ApiError(0, NO_ANSWER);
    });
    if (response.ok) return response;
    if (response.status !== 401) throw await errorOf(response);
    await askForToken(token);
  }
}

/**
 * @param {Response} response
 * @returns {Promise<ApiError>}
 */
async function errorOf(response) {
  const { title, detail, code } = (await response.json().catch(() => null)) ?? {};
  const short = response.status === 413 ? TOO_LARGE : `The box answered ${response.status}.`;
  const what = detail ?? short;
  // What a decoder says of a photo needs words for people before it.
  const said = response.status < 500 && title && title !== what ? `${title} (${what})` : what;
  const retryAfter = Number(response.headers.get('retry-after') ?? 0);
  return new ApiError(response.status, said, retryAfter, code);
}

/**
 * Uploads one photo; waits and tries again while the box is busy or away.
 * @param {File} file
 * @param {(why: string | null) => void} onWait why it waits, or null when it tries again.
 * @returns {Promise<Result>}
 */
export async function tagPhoto(file, onWait) {
  for (let tries = 1; ; tries += 1) {
    // With a file that has gone, Firefox's `fetch` never ends; others fail as for a box that has.
    if (!(await isReadable(file))) throw new ApiError(422, GONE);
    const body = new FormData();
    body.append('image', file);
    try {
      const headers = { accept: RESULT_TYPE };
      const response = await call('re-tagger', { method: 'POST', body, headers });
      return await response.json().catch(() => {
        throw new ApiError(response.status, NOT_ITS);
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A proxy says 502 of a box that begins anew.
      const away = error.status === 0 || error.status === 502;
      if ((error.status !== 503 && !away) || tries === TRIES) throw error;
      onWait(away ? AWAY : BUSY);
      await pause(1000 * (error.retryAfter || Math.min(2 * tries, LONGEST_PAUSE_S)));
      onWait(null);
    }
  }
}

/**
 * A slice of it could be read all the same.
 * @param {File} file
 */
async function isReadable(file) {
  const reader = file.stream().getReader();
  try {
    await reader.read();
    return true;
  } catch {
    return false;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** @returns {Promise<Recent>} */
export async function recent() {
  return (await call('results')).json();
}

/** @returns {Promise<Readiness>} also where the box is not ready. */
export async function readiness() {
  const signal = AbortSignal.timeout(HEALTH_MS);
  const response = await fetch('readyz', { headers: authorization(), signal });
  return response.json();
}
