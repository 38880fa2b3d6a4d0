/** Messages handed on one within the other. */
const DEPTH = 200;

/** The part of aedes' emitter (mqemitter) that hands messages on, a hundred at a time. */
export interface Emitter {
  /** Being handed on. */
  current: number;
  _doing: boolean;
  readonly _messageQueue: unknown[];
  readonly _messageCallbacks: unknown[];
  _do(message: unknown, done: unknown): unknown;
  /** One is done: takes the next. */
  _released(): void;
}

/**
 * A message that nobody subscribes to is done at once and takes the next, within its own call:
 * where a slow subscriber had thousands waiting and then goes, the stack overflows, which ends the
 * daemon. Here the next one waits its turn after so many.
 */
export function unnest(emitter: Emitter): void {
  const handOn = emitter._do.bind(emitter);
  let depth = 0;
  emitter._do = (message, done) => {
    if (depth < DEPTH) {
      depth += 1;
      try {
        return handOn(message, done);
      } finally {
        depth -= 1;
      }
    }
    // Back to the front, and the place is held until then.
    emitter._messageQueue.unshift(message);
    emitter._messageCallbacks.unshift(done);
    emitter.current += 1;
    emitter._doing = true;
    setImmediate(() => emitter._released());
    return emitter;
  };
}
