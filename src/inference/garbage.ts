import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** So much more may lie outside V8's heap before it is collected; left to itself V8 waits for 64 MB. */
const STEP_BYTES = 8 * 1024 * 1024;

let collect: (() => void) | undefined;
let left = 0;

/** Collects garbage now, 5 to 10 ms in a heap as small as a worker's. */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
  }
  collect();
  left = getHeapStatistics().external_memory;
}

/** Collects where photos that nobody needs any more may have piled up. Call it after each. */
export function collectPhotos(): void {
  const outside = getHeapStatistics().external_memory;
  // What was collected is given back a little later.
  left = Math.min(left, outside);
  if (outside > left + STEP_BYTES) collectGarbage();
}
