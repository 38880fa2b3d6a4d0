import type { Config } from '../../config/schema.ts';
import { RetaggerError, tooManyBytes, toRetaggerError } from '../../errors.ts';
import type { Admission } from '../admission.ts';
import type { Outcome } from '../ports.ts';
import type { Answers } from './answers.ts';
import type { Job } from './job.ts';
import { failed, tagged } from './outcome.ts';
import { stillWritten } from './writers.ts';

/** Tries at a photo that cannot be read, and milliseconds between them. */
const READS = 3;
const READ_AGAIN_MS = 1000;

export interface AttemptParts {
  readonly config: Config;
  readonly answers: Answers;
  readonly admission: Admission;
}

/**
 * One try at one photo.
 * @returns its outcome; milliseconds until the next try; null where the daemon stops before.
 */
export async function attempt(job: Job, parts: AttemptParts): Promise<Outcome | number | null> {
  const { answers, config } = parts;
  const { entry } = job;
  const queuedMs = performance.now() - job.since;
  try {
    precheck(job.look.size, config.limits.upload_bytes);
    const answer = await answers.tag(entry.path);
    return tagged(entry, answer, { node: config.node.id, queuedMs });
  } catch (thrown) {
    const error = toRetaggerError(thrown);
    if (error.code === 'stopping') return null;
    if (await isUnread(job, error, parts.admission)) return READ_AGAIN_MS;
    const writer = await stillWritten(entry, error, job.look, config.ingest.settle_ms);
    if (writer === null) return failed(entry, error);
    job.look = writer.look;
    return writer.waitMs;
  }
}

/** What needs no worker to be known. */
function precheck(size: number, limit: number): void {
  if (size === 0) throw new RetaggerError('image_corrupt', 'The file is empty.');
  if (size > limit) throw tooManyBytes(limit);
}

/** Whether our own copy of a photo is to be read again: the disk is away, or fails for a moment. */
async function isUnread(job: Job, { code }: RetaggerError, admission: Admission): Promise<boolean> {
  const { body, durable } = job.entry;
  if (body === 'kept' || (code !== 'internal' && code !== 'file_missing')) return false;
  await admission.measure();
  // A caller of HTTP is told rather than kept waiting.
  if (durable && !admission.health().ok) return true;
  job.unread += 1;
  return job.unread < READS;
}
