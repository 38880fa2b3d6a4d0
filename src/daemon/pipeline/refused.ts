import { type ErrorCode, RetaggerError } from '../../errors.ts';
import type { Refusal } from '../ports.ts';

/** Per reason: the code, seconds until another try is worth it, and what to say. */
const REASONS: Readonly<Record<Refusal, readonly [ErrorCode, number, string]>> = {
  queue_full: ['busy', 2, 'The queue is full; try again later.'],
  outbox_full: ['busy', 30, 'Too many results wait for the MQTT broker; try again later.'],
  disk_low: ['busy', 30, 'The disk is full or failing; try again later.'],
  not_ready: ['busy', 5, 'The model is not ready; try again later.'],
  stopping: ['stopping', 10, 'The service is stopping; try again later.'],
};

/** `busy` or `stopping`, with the time after which another try is worth it. */
export class Refused extends RetaggerError {
  /** Seconds. */
  readonly retryAfter: number;

  constructor(code: ErrorCode, retryAfter: number, detail: string) {
    super(code, detail);
    this.retryAfter = retryAfter;
  }

  static because(refusal: Refusal): Refused {
    return new Refused(...REASONS[refusal]);
  }
}
