import { setMaxListeners } from 'node:events';
import { RetaggerError } from '../../errors.ts';
import { isDiskTrouble } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import type { Admission } from '../admission.ts';
import type { Filing } from '../filing/filing.ts';
import type { OutboxInlet, Outcome } from '../ports.ts';
import type { Spool } from '../spool/spool.ts';
import type { Job } from './job.ts';
import { messageOf } from './outcome.ts';
import { whileTrouble } from './retry.ts';

export interface FinishingParts {
  readonly log: Logger;
  readonly outbox: OutboxInlet;
  readonly filing: Filing;
  readonly spool: Spool;
  readonly admission: Admission;
}

/** The last part of a photo's way: outcome → outbox → filing, then it leaves the spool. */
export class Finishing {
  readonly #parts: FinishingParts;
  readonly #tell: (outcome: Outcome) => void;
  readonly #heldUp = new Map<Job, string>();
  readonly #stopped = new AbortController();

  /** @param tell called once the outbox has the outcome. */
  constructor(parts: FinishingParts, tell: (outcome: Outcome) => void) {
    this.#parts = parts;
    this.#tell = tell;
    // Each photo that waits for the disk listens.
    setMaxListeners(0, this.#stopped.signal);
  }

  /** Photos that wait for the disk, and what it says. */
  get heldUp(): ReadonlyMap<Job, string> {
    return this.#heldUp;
  }

  /** The disk is asked no more. */
  stop(): void {
    this.#stopped.abort();
  }

  /**
   * Resolves when the photo is done with, or left for the next start.
   * @param recorded the outbox has its message from before a crash, and holds it.
   */
  async finish(job: Job, outcome: Outcome, recorded: boolean): Promise<void> {
    const { outbox, filing, spool } = this.#parts;
    const { entry } = job;
    job.finishing = true;
    const hold = { photo: entry.key, until: job.filed };
    try {
      if (!entry.durable) await outbox.put(messageOf(outcome));
      else if (!recorded) await this.#insist(() => outbox.put(messageOf(outcome), hold), job);
      this.#tell(outcome);
      job.resolve(outcome);
      await this.#insist(() => filing.file(entry, outcome), job);
      await this.#insist(() => spool.remove(entry), job);
      job.setFiled();
    } catch (error) {
      await this.#unfinished(job, error);
    }
  }

  /** The disk did not take the outcome. */
  async #unfinished(job: Job, error: unknown): Promise<void> {
    const { entry, reject } = job;
    const { admission, spool, log } = this.#parts;
    if (entry.durable) {
      reject(new RetaggerError('stopping'));
      log.error({ err: error, id: entry.id, file: entry.file }, 'left for the next start');
      return;
    }
    void admission.failed();
    const detail = `The outcome cannot be stored: ${(error as Error).message}`;
    reject(new RetaggerError(isDiskTrouble(error) ? 'busy' : 'internal', detail));
    // Its bytes count in the spool for as long as they are there.
    await this.#insist(() => spool.remove(entry), job).catch(() => {});
  }

  #insist<T>(work: () => Promise<T>, job: Job): Promise<T> {
    const { admission, log } = this.#parts;
    const trouble = (error: unknown, tries: number) => {
      this.#heldUp.set(job, (error as Error).message);
      if (tries > 1 && tries % 20 !== 0) return;
      const { id } = job.entry;
      log.warn({ err: error, id }, 'the disk does not take an outcome; trying again');
      void admission.failed();
    };
    const done = whileTrouble(work, this.#stopped.signal, trouble);
    return done.finally(() => this.#heldUp.delete(job));
  }
}
