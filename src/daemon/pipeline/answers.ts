import { sha256OfFile } from '../../files/file-hash.ts';
import type { Tagger, Tagging } from '../../inference/tagger.ts';

/** What a photo's bytes were answered with. */
export type Answer = Tagging & {
  /** From memory, without another inference. */
  readonly duplicate?: true;
};

/**
 * Tags photos, and remembers the answers by the SHA-256 of the bytes: the same photo once more is
 * answered from memory. Only what was tagged is remembered; the least recently asked for goes first.
 */
export class Answers {
  readonly #tagger: Pick<Tagger, 'tag'>;
  readonly #limit: number;
  readonly #known = new Map<string, Tagging>();
  /** Counts models: what an earlier one is still busy with is not remembered. */
  #model = 0;

  /** @param limit answers in memory, about 1 KiB each; 0 for none. */
  constructor(tagger: Pick<Tagger, 'tag'>, limit: number) {
    this.#tagger = tagger;
    this.#limit = limit;
  }

  /** As `Tagger.tag`. */
  async tag(path: string): Promise<Answer> {
    if (this.#limit === 0) return this.#tagger.tag(path);
    // Where the file cannot be read, the tagger says so in its own words.
    const known = this.#known.get(await sha256OfFile(path).catch(() => ''));
    if (known !== undefined) {
      this.#remember(known);
      return { ...known, ms: { decode: 0, infer: 0 }, duplicate: true };
    }
    const model = this.#model;
    const tagging = await this.#tagger.tag(path);
    if (model === this.#model) this.#remember(tagging);
    return tagging;
  }

  /** Another model answers from now on. */
  forget(): void {
    this.#model += 1;
    this.#known.clear();
  }

  #remember(tagging: Tagging): void {
    // Anew, so that the oldest in the map is the one that was asked for least recently.
    this.#known.delete(tagging.sha256);
    this.#known.set(tagging.sha256, tagging);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#limit) return;
      this.#known.delete(oldest);
    }
  }
}
