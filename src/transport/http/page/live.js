import { ApiError, call, recent } from './api.js';
import { pause } from './dom.js';
import { leaveTurn, takeTurn } from './turns.js';

/** @typedef {import('./api.js').FeedItem} FeedItem */

const FIRST_WAIT_MS = 1000;
const LAST_WAIT_MS = 5000;
/** The box says something every 15 seconds. */
const SILENCE_MS = 45_000;
/** A window without the stream asks so often. */
const POLL_MS = 5000;
const DATA = 'data: ';

/**
 * Follows the box for ever: the last results first, then each as it happens. `EventSource` cannot
 * send a token, so the stream is read with `fetch`. A hidden tab leaves: a browser opens six
 * connections to one box, and with as many tabs none would be left for a photo or a seventh. Of many
 * windows side by side some ask now and then instead.
 * @param {{onRecent: (recent: import('./api.js').Recent) => void,
 *   onItem: (item: FeedItem) => void, onState: (state: string) => void}} handlers
 */
export async function follow({ onRecent, onItem, onState }) {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    await shown();
    const stream = new AbortController();
    const { signal } = stream;
    document.addEventListener('visibilitychange', () => stream.abort(), { signal });
    let lost = false;
    takeTurn(() => {
      lost = true;
      stream.abort();
    });
    try {
      // Else Firefox has a second window wait 20 seconds for what the first might store.
      const response = await call('events', { signal, cache: 'no-store' });
      // Asked for after the stream is open, so that nothing falls in between.
      onRecent(await recent());
      onState('');
      wait = FIRST_WAIT_MS;
      await read(response, onItem);
    } catch (error) {
      if (error instanceof ApiError && error.retryAfter) {
        wait = 1000 * error.retryAfter;
        // Too many look on: then at least what has been so far.
        await recent().then(onRecent, () => {});
      }
    }
    const left = signal.aborted;
    stream.abort();
    leaveTurn();
    if (lost) await poll(onRecent, onState);
    if (left) continue;
    onState('connecting');
    await pause(wait);
    wait = Math.min(2 * wait, LAST_WAIT_MS);
  }
}

/** Resolves when somebody looks at this tab. */
async function shown() {
  while (document.hidden) {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true });
    });
  }
}

/**
 * Asks now and then, until this window is the one that is used, or is hidden.
 * @param {(recent: import('./api.js').Recent) => void} onRecent
 * @param {(state: string) => void} onState
 */
async function poll(onRecent, onState) {
  let over = false;
  const used = new Promise((resolve) => {
    addEventListener('focus', resolve, { once: true });
    document.addEventListener('visibilitychange', resolve, { once: true });
  }).then(() => {
    over = true;
  });
  while (!over) {
    try {
      onRecent(await recent());
      onState('');
    } catch {
      onState('connecting');
    }
    await Promise.race([used, pause(POLL_MS)]);
  }
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T>} work
 * @returns {Promise<T>} rejects when that takes longer.
 */
function within(ms, work) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('silence')), ms);
    work.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

/**
 * @param {Response} response
 * @param {(item: FeedItem) => void} onItem
 */
async function read(response, onItem) {
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await within(SILENCE_MS, reader.read());
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      // By line feeds alone: names may hold other ends of lines.
      const data = block.split('\n').find((line) => line.startsWith(DATA));
      if (data !== undefined) onItem(JSON.parse(data.slice(DATA.length)));
    }
  }
}
