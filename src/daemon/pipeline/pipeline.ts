import { RetaggerError } from '../../errors.ts';
import type { Tagger } from '../../inference/tagger.ts';
import type { Logger } from '../../log.ts';
import type { Source } from '../../result.ts';
import type {
  Accepted,
  Health,
  Message,
  NewPhoto,
  Outcome,
  Part,
  Pipeline,
  Refusal,
} from '../ports.ts';
import { Spool } from '../spool/spool.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';
import { type AttemptParts, attempt } from './attempt.ts';
import { Finishing, type FinishingParts } from './finishing.ts';
import { type Job, newJob } from './job.ts';
import { outcomeOf } from './outcome.ts';
import { isOutdated } from './outdated.ts';
import { PriorityQueue } from './queue.ts';
import { Refused } from './refused.ts';
import { Waiters } from './waiters.ts';

/** What is in flight may take so long when the daemon stops. */
const STOP_MS = 6000;

export interface PipelineParts extends AttemptParts, FinishingParts {
  readonly tagger: Tagger;
}

/** What the last run left: photos in the spool, and messages about those that were done but for filing. */
export interface Recovered {
  readonly entries: readonly SpoolEntry[];
  readonly messages: ReadonlyMap<string, Message>;
}

/**
 * The way of a photo: admission → spool → queue → tagger → outbox → filing, then it leaves the
 * spool. Every accepted photo ends once, tagged or failed; whatever crashes in between, it is in
 * the spool until its outcome is on disk and it is filed.
 */
export class TaggingPipeline implements Pipeline, Part {
  readonly #parts: PipelineParts;
  readonly #log: Logger;
  readonly #queue = new PriorityQueue<Job>();
  /** Every accepted, unfinished photo by spool key. */
  readonly #jobs = new Map<string, Job>();
  /** Photos on their way into the spool. */
  readonly #adding = new Map<string, Promise<Job>>();
  readonly #pending: Record<Source, number> = { http: 0, mqtt: 0, folder: 0 };
  /** Half photos whose writer is given time, and those that are to be read again. */
  #later = 0;
  readonly #listeners = new Set<(outcome: Outcome) => void>();
  readonly #waiters = new Waiters();
  readonly #finishing: Finishing;
  /** Photos that the last run tagged and did not file. */
  readonly #unfiled: { readonly job: Job; readonly outcome: Outcome }[] = [];
  #tagging = 0;
  #recovered = false;
  #open = false;
  #stopping = false;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#log = parts.log;
    this.#finishing = new Finishing(parts, (outcome) => this.#tell(outcome));
  }

  /** Photos accepted and not finished. */
  get length(): number {
    return this.#pending.http + this.#pending.mqtt + this.#pending.folder;
  }

  /** Of these, the ones that wait neither for the disk nor to be tried again. */
  get underWay(): number {
    return this.length - this.#finishing.heldUp.size - this.#later;
  }

  /** Puts back to work what the last run left. */
  recover({ entries, messages }: Recovered): void {
    this.#recovered = true;
    this.#waiters.wake();
    for (const entry of entries) {
      this.#pending[entry.source] += 1;
      const job = this.#newJob(entry);
      const message = messages.get(entry.key);
      if (message === undefined) {
        this.#queue.push(entry.source, job);
        continue;
      }
      this.#parts.outbox.hold({ photo: entry.key, until: job.filed });
      this.#unfiled.push({ job, outcome: outcomeOf(entry, message) });
    }
    if (entries.length > 0) this.#log.info({ photos: entries.length }, 'photos from the last run');
  }

  /**
   * Begins to tag; the tagger must have started. Until then photos are accepted and wait, and so do
   * outcomes of the last run: the doors, which start meanwhile, are to hear of them.
   */
  async start(): Promise<void> {
    this.#open = true;
    for (const { job, outcome } of this.#unfiled.splice(0)) void this.#finish(job, outcome, true);
    this.#pump();
  }

  /** Nothing new is accepted; waiting HTTP photos and those with the tagger are finished. */
  refuse(): void {
    this.#stopping = true;
    this.#waiters.wake();
  }

  /**
   * Resolves when what `refuse` left to finish is finished, or at the deadline. What remains is in
   * the spool and comes back at the next start; HTTP callers get `stopping`.
   */
  async stop(deadlineMs = STOP_MS): Promise<void> {
    this.refuse();
    const deadline = AbortSignal.timeout(deadlineMs);
    await this.#waiters.until(() => !this.#busy(), deadline).catch(() => {});
    this.#open = false;
    this.#finishing.stop();
    for (const job of this.#jobs.values()) {
      job.reject(new RetaggerError('stopping'));
      if (!job.entry.durable) await this.#parts.spool.remove(job.entry).catch(() => {});
    }
  }

  async accept(photo: NewPhoto): Promise<Accepted> {
    const key = Spool.key(photo);
    // The same photo once more, after a lost acknowledgement or a crash: it is here already.
    const known = this.#jobs.get(key) ?? this.#adding.get(key);
    if (known !== undefined) return this.#accepted(await known);
    const refusal = this.refusal(photo.source);
    if (refusal !== null) throw Refused.because(refusal);
    const adding = this.#add(photo, key);
    this.#adding.set(key, adding);
    try {
      return this.#accepted(await adding);
    } finally {
      this.#adding.delete(key);
    }
  }

  #accepted(job: Job): Accepted {
    const keep = async () => {
      if (job.entry.durable || job.finishing) return;
      job.entry = await this.#parts.spool.keep(job.entry);
    };
    return { outcome: job.outcome, keep };
  }

  refusal(source: Source): Refusal | null {
    const { admission, spool, outbox, tagger } = this.#parts;
    return admission.refusal(source, {
      pending: this.#pending,
      spoolBytes: spool.bytes,
      outbox: outbox.length,
      // Before the spool has been read, a new file in it would look like a left-over.
      ready: this.#recovered && tagger.state !== 'failed',
      stopping: this.#stopping,
    });
  }

  room(source: Source, signal: AbortSignal): Promise<void> {
    return this.#waiters.until(() => this.refusal(source) === null, signal);
  }

  onOutcome(listener: (outcome: Outcome) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `/readyz`: queue and outbox. */
  health(): Record<'queue' | 'outbox', Health> {
    const { queue, outbox } = this.#parts.config.limits;
    const reason = this.refusal('http');
    const { heldUp } = this.#finishing;
    const [why] = heldUp.values();
    const held = why === undefined ? '' : `; ${heldUp.size} held up by the disk: ${why}`;
    return {
      queue: { ok: reason !== 'queue_full', detail: `${this.length} of ${queue}${held}` },
      outbox: {
        ok: reason !== 'outbox_full',
        detail: `${this.#parts.outbox.length} of ${outbox}`,
      },
    };
  }

  async #add(photo: NewPhoto, key: string): Promise<Job> {
    const { source } = photo;
    // The place is taken before the first await, so that the bounds hold.
    this.#pending[source] += 1;
    let entry: SpoolEntry;
    try {
      entry = await this.#parts.spool.add(photo, key);
    } catch (error) {
      // Known before the door hears of it: then it waits for the disk instead of trying again.
      if ((error as RetaggerError).code === 'busy') await this.#parts.admission.failed();
      this.#pending[source] -= 1;
      this.#waiters.wake();
      throw error;
    }
    const job = this.#newJob(entry);
    this.#queue.push(source, job);
    this.#pump();
    return job;
  }

  /** Its place has been taken; `#forget` gives it back. */
  #newJob(entry: SpoolEntry): Job {
    const job = newJob(entry);
    this.#jobs.set(entry.key, job);
    return job;
  }

  #busy(): boolean {
    const finishing = [...this.#jobs.values()].some((job) => job.finishing);
    return finishing || this.#tagging > 0 || this.#pending.http > 0;
  }

  #pump(): void {
    const { tagger } = this.#parts;
    while (this.#open && this.#tagging < tagger.concurrency) {
      // While stopping only those whose caller waits are begun.
      const job = this.#queue.shift(this.#stopping ? 'http' : undefined);
      if (job === undefined) return;
      this.#tagging += 1;
      void this.#run(job).finally(() => {
        this.#tagging -= 1;
        this.#waiters.wake();
        this.#pump();
      });
    }
  }

  /** One try of one photo; ends before its outcome is on disk, so that the tagger never waits. */
  async #run(job: Job): Promise<void> {
    const end = await attempt(job, this.#parts);
    if (end === null) return;
    if (typeof end === 'number') this.#tryLater(job, end);
    else if (!(await isOutdated(job.entry, end))) void this.#finish(job, end);
    else {
      const { id, file } = job.entry;
      this.#log.info({ id, file }, 'the file has changed since: it is another photo now');
      job.reject(new RetaggerError('file_missing', 'The file has changed since it was taken.'));
      await this.#drop(job);
    }
  }

  #tryLater(job: Job, waitMs: number): void {
    this.#later += 1;
    setTimeout(() => {
      this.#later -= 1;
      this.#queue.push(job.entry.source, job);
      this.#pump();
    }, waitMs).unref();
  }

  /** @param recorded the outbox has its message from before a crash. */
  async #finish(job: Job, outcome: Outcome, recorded = false): Promise<void> {
    await this.#finishing.finish(job, outcome, recorded);
    this.#forget(job);
  }

  async #drop(job: Job): Promise<void> {
    await this.#parts.spool.remove(job.entry).catch(() => {});
    this.#forget(job);
  }

  #forget(job: Job): void {
    this.#jobs.delete(job.entry.key);
    this.#pending[job.entry.source] -= 1;
    this.#waiters.wake();
  }

  #tell(outcome: Outcome): void {
    const { id, source, file } = outcome.photo;
    if (outcome.ok) {
      const { tag, score, ms } = outcome.result;
      const said = tag === null ? 'no tag is certain enough' : 'tagged';
      this.#log.info({ id, source, file, tag, score, ms }, said);
    } else {
      const { code, message } = outcome.failure;
      this.#log.warn({ id, source, file, code, reason: message }, 'failed');
    }
    for (const listener of this.#listeners) {
      try {
        listener(outcome);
      } catch (error) {
        this.#log.error({ err: error }, 'an outcome listener failed');
      }
    }
  }
}
