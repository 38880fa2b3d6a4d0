import { ApiError, call, recent } from './api.js';
import { pause } from './dom.js';

/** @typedef {import('./api.js').FeedItem} FeedItem */

const FIRST_WAIT_MS = 1000;
const LAST_WAIT_MS = 5000;

/**
 * Follows the box for ever: the last results first, then each as it happens. `EventSource` cannot
 * send a token, so the stream is read with `fetch`.
 * @param {{onRecent: (recent: import('./api.js').Recent) => void,
 *   onItem: (item: FeedItem) => void, onState: (state: string) => void}} handlers
 */
export async function follow({ onRecent, onItem, onState }) {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      const response = await call('events');
      // Asked for after the stream is open, so that nothing falls in between.
      onRecent(await recent());
      onState('');
      wait = FIRST_WAIT_MS;
      await read(response, onItem);
    } catch (error) {
      if (error instanceof ApiError && error.retryAfter) wait = 1000 * error.retryAfter;
    }
    onState('connecting');
    await pause(wait);
    wait = Math.min(2 * wait, LAST_WAIT_MS);
  }
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
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) onItem(JSON.parse(data));
    }
  }
}
