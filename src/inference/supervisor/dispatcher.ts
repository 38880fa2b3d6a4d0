import { type RetaggerError, toRetaggerError } from '../../errors.ts';
import type { Tagging } from '../tagger.ts';
import { photosIn } from '../worker-protocol.ts';
import { type Fault, type PhotoJob, PhotoJobs } from './photo-jobs.ts';
import { WorkerGone } from './worker-process.ts';
import type { Slot } from './workers.ts';

/** One photo in inference and one decoding; with three, two inferences at once do half as many again. */
const ENOUGH_FOR_ONE = 2;

export interface DispatcherParts {
  /** The worker that takes photos at present. */
  readonly open: () => Slot | null;
  /** Deadline for one try at one photo. */
  readonly photoMs: number;
  /** A photo has come or gone; are there more now than one inference at once does well? */
  readonly onLook: (many: boolean) => void;
  /** A worker has done a photo, well or not. */
  readonly onDone: () => void;
}

/** Gives photos to the worker, as many as it has use for. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #jobs = new PhotoJobs();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  add(path: string): Promise<Tagging> {
    return new Promise((resolve, reject) => {
      this.#jobs.add({ path, resolve, reject, lost: 0 });
      this.dispatch();
    });
  }

  /** Call whenever the worker may take more. */
  dispatch(): void {
    const slot = this.#parts.open();
    if (!slot) return;
    const most = photosIn(slot.atOnce);
    for (let job = this.#jobs.next(slot.jobs, most); job; job = this.#jobs.next(slot.jobs, most)) {
      void this.#run(slot, job);
    }
    const photos = this.#jobs.waiting + slot.jobs.size;
    // A suspect is alone, however many wait, and may end the worker.
    this.#parts.onLook(photos > ENOUGH_FOR_ONE && !this.#jobs.hasSuspect(slot.jobs));
  }

  /** Of a worker that has ended. */
  takeBack(slot: Slot, fault: Fault): void {
    this.#jobs.takeBack(slot.jobs, fault);
  }

  /** All that no worker has. */
  rejectAll(error: RetaggerError): void {
    this.#jobs.rejectAll(error);
  }

  async #run(slot: Slot, job: PhotoJob): Promise<void> {
    slot.jobs.add(job);
    const deadline = setTimeout(() => {
      slot.state = 'hung';
      void slot.process.kill();
    }, this.#parts.photoMs);
    try {
      job.resolve(await slot.process.tag(job.path));
    } catch (error) {
      if (error instanceof WorkerGone) return; // its end takes the photo back
      job.reject(toRetaggerError(error));
    } finally {
      clearTimeout(deadline);
    }
    slot.jobs.delete(job);
    if (slot.state === 'retired' && slot.jobs.size === 0) void slot.process.stop();
    this.#parts.onDone();
    this.dispatch();
  }
}
