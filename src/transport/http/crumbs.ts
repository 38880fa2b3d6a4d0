import type { IncomingMessage } from 'node:http';
import { SmallChunks } from '../small-chunks.ts';

/** Milliseconds that a crumb waits for more of them. */
const WAIT_MS = 50;

/**
 * Joins the crumbs of a body that comes in chunks of a few bytes. From here to the disk five
 * streams hold tens of thousands of bytes each, and each chunk takes hundreds of bytes to hold.
 */
export function joinCrumbs(request: IncomingMessage): void {
  const chunks = new SmallChunks();
  // What Node's parser calls with all that comes, and with null at the end.
  const push = request.push.bind(request);
  let timer: NodeJS.Timeout | null = null;
  const passOn = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const held = chunks.take();
    if (held !== null) push(held);
  };
  request.push = (chunk: Buffer | null): boolean => {
    if (chunk === null) {
      passOn();
      return push(null);
    }
    const seen = chunks.add(chunk, false);
    if (seen !== null) return push(seen);
    timer ??= setTimeout(passOn, WAIT_MS);
    return request.readableLength < request.readableHighWaterMark;
  };
}
