import type { RetaggerError } from '../../errors.ts';
import type { Failure, Result } from '../../result.ts';
import type { Message, Outcome, SpooledPhoto } from '../ports.ts';
import type { Answer } from './answers.ts';

/** Milliseconds with a tenth: finer is noise. */
const tenths = (ms: number) => Math.round(ms * 10) / 10;

interface From {
  readonly node: string;
  /** Milliseconds from acceptance to the worker. */
  readonly queuedMs: number;
}

export const tagged = (photo: SpooledPhoto, answer: Answer, from: From): Outcome => ({
  ok: true,
  photo,
  result: resultOf(photo, answer, from),
});

/** Also for `retagger tag`, which has no spool. */
export function resultOf(
  photo: Pick<SpooledPhoto, 'id' | 'source' | 'file' | 'receivedAt'>,
  answer: Answer,
  from: From,
): Result {
  return {
    id: photo.id,
    node: from.node,
    source: photo.source,
    file: photo.file,
    sha256: answer.sha256,
    tag: answer.tag,
    score: answer.score,
    scores: answer.scores,
    model: answer.model,
    engine: answer.engine,
    width: answer.width,
    height: answer.height,
    received_at: photo.receivedAt,
    tagged_at: new Date().toISOString(),
    ms: { queued: tenths(Math.max(0, from.queuedMs)), ...answer.ms },
    ...(answer.duplicate ? { duplicate: true } : {}),
  };
}

export function failed(photo: SpooledPhoto, error: RetaggerError): Outcome {
  const failure: Failure = {
    id: photo.id,
    source: photo.source,
    file: photo.file,
    code: error.code,
    message: error.message,
  };
  return { ok: false, photo, failure };
}

/** What the broker is told. */
export function messageOf(outcome: Outcome): Message {
  const { reply } = outcome.photo;
  return {
    ...(outcome.ok
      ? { kind: 'result' as const, payload: outcome.result }
      : { kind: 'error' as const, payload: outcome.failure }),
    ...(reply ? { reply } : {}),
  };
}

/** The other way round, for a photo whose message was on disk before it was filed. */
export function outcomeOf(photo: SpooledPhoto, message: Message): Outcome {
  return message.kind === 'result'
    ? { ok: true, photo, result: message.payload as Result }
    : { ok: false, photo, failure: message.payload as Failure };
}
