import type { Logger } from '../../log.ts';
import { Burst } from './burst.ts';
import { Pause } from './supervision.ts';
import type { Slot } from './workers.ts';

export interface TwoAtOnceParts {
  readonly log: Logger;
  /** The worker that takes photos at present. */
  readonly current: () => Slot | null;
  /** Whether the engine can, the box has the cores and the limit the memory. */
  readonly fits: (slot: Slot) => boolean;
  /** So many inferences at once from now on. @throws Error where it goes on as before, or has ended. */
  readonly share: (slot: Slot, atOnce: number) => Promise<void>;
}

/**
 * Has the current worker do two inferences at once, each with half the threads, while there are many
 * photos; see `Burst`. Photos wait for none of it.
 */
export class TwoAtOnce {
  readonly #parts: TwoAtOnceParts;
  readonly #burst = new Burst({ begin: () => this.#begin(), end: () => this.#end('few photos') });
  readonly #pause = new Pause();
  /** Whether there should be two. */
  #wanted = false;
  #stopped = false;

  constructor(parts: TwoAtOnceParts) {
    this.#parts = parts;
  }

  /**
   * Call whenever a photo has come or gone.
   * @param many there are more photos than one inference at once does well.
   */
  look(many: boolean): void {
    this.#burst.look(many);
  }

  /** Another worker takes the photos now. It begins with one: it may be of a model of which two have no room. */
  reset(): void {
    this.#wanted = false;
  }

  /** To save memory. @returns false where there are no two, or where that was done a moment ago. */
  giveUp(slot: Slot): boolean {
    if (slot.atOnce === 1 || !this.#pause.isOver) return false;
    this.#pause.begin();
    this.#end('memory');
    return true;
  }

  stop(): void {
    this.#stopped = true;
    this.#burst.stop();
  }

  #begin(): void {
    const slot = this.#parts.current();
    if (this.#wanted || !slot || !this.#pause.isOver || !this.#parts.fits(slot)) return;
    this.#parts.log.info('many photos: two inferences at once from now on');
    this.#wanted = true;
    this.#reconcile();
  }

  #end(why: string): void {
    if (!this.#wanted) return;
    this.#parts.log.info({ why }, 'one inference at once from now on');
    this.#wanted = false;
    this.#reconcile();
  }

  #reconcile(): void {
    const slot = this.#parts.current();
    const atOnce = this.#wanted ? 2 : 1;
    if (slot?.state === 'open' && !slot.sharing && slot.atOnce !== atOnce) {
      void this.#share(slot, atOnce);
    }
  }

  async #share(slot: Slot, atOnce: number): Promise<void> {
    slot.sharing = true;
    try {
      await this.#parts.share(slot, atOnce);
      slot.atOnce = atOnce;
    } catch (error) {
      if (this.#stopped || slot.state === 'retired') return;
      this.#parts.log.warn(
        { err: error, atOnce },
        'the worker does not change its inferences at once',
      );
      this.#wanted = slot.atOnce > 1;
      // Where it ended over that, the next one must not try the same.
      this.#pause.begin();
    } finally {
      slot.sharing = false;
    }
    this.#reconcile();
  }
}
