import { type Static, Type } from 'typebox';
import type { Outcome, Pipeline } from '../../daemon/ports.ts';
import type { Failure, Result } from '../../result.ts';
import { named } from './named.ts';

/** One photo that ended. */
export const FeedItemSchema = Type.Union(
  [
    Type.Object({
      kind: Type.Literal('result'),
      at: Type.String({ description: 'RFC 3339, UTC.' }),
      result: named<Result>('Result'),
    }),
    Type.Object({
      kind: Type.Literal('failure'),
      at: Type.String({ description: 'RFC 3339, UTC.' }),
      failure: named<Failure>('Failure'),
    }),
  ],
  { $id: 'FeedItem' },
);
export type FeedItem = Static<typeof FeedItemSchema>;

/** Photos since the start of the daemon. */
export const CountsSchema = Type.Object({
  tags: Type.Record(Type.String(), Type.Integer(), { description: 'By label.' }),
  abstained: Type.Integer({ description: 'Without a tag: the best score was too low.' }),
  failed: Type.Integer(),
});
export type Counts = Static<typeof CountsSchema>;

const KEPT = 50;

/** The last outcomes and their counts, in memory only. */
export class LiveFeed {
  readonly #pipeline: Pick<Pipeline, 'onOutcome'>;
  readonly #items: FeedItem[] = [];
  readonly #tags: Record<string, number> = {};
  #abstained = 0;
  #failed = 0;
  #unsubscribe = () => {};

  constructor(pipeline: Pick<Pipeline, 'onOutcome'>) {
    this.#pipeline = pipeline;
  }

  /** @param onItem called with each new item. */
  start(onItem: (item: FeedItem) => void): void {
    this.#unsubscribe = this.#pipeline.onOutcome((outcome) => {
      const item = itemOf(outcome);
      this.#count(outcome);
      this.#items.unshift(item);
      this.#items.length = Math.min(this.#items.length, KEPT);
      onItem(item);
    });
  }

  stop(): void {
    this.#unsubscribe();
  }

  /** Newest first. */
  get items(): readonly FeedItem[] {
    return this.#items;
  }

  get counts(): Counts {
    return { tags: { ...this.#tags }, abstained: this.#abstained, failed: this.#failed };
  }

  #count(outcome: Outcome): void {
    if (!outcome.ok) this.#failed += 1;
    else if (outcome.result.tag === null) this.#abstained += 1;
    else this.#tags[outcome.result.tag] = (this.#tags[outcome.result.tag] ?? 0) + 1;
  }
}

function itemOf(outcome: Outcome): FeedItem {
  return outcome.ok
    ? { kind: 'result', at: outcome.result.tagged_at, result: outcome.result }
    : { kind: 'failure', at: new Date().toISOString(), failure: outcome.failure };
}
