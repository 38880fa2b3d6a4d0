import type { RetaggerError } from '../errors.ts';
import type { Tagging } from '../inference/tagger.ts';
import type { Failure, Result } from '../result.ts';
import type { Message, Outcome, SpooledPhoto } from './ports.ts';

/** Milliseconds with a tenth: finer is noise. */
const tenths = (ms: number) => Math.round(ms * 10) / 10;

/** @param queuedMs from acceptance to the worker. */
export function tagged(
  photo: SpooledPhoto,
  tagging: Tagging,
  from: { node: string; queuedMs: number },
): Outcome {
  const result: Result = {
    id: photo.id,
    node: from.node,
    source: photo.source,
    file: photo.file,
    sha256: tagging.sha256,
    tag: tagging.tag,
    score: tagging.score,
    scores: tagging.scores,
    model: tagging.model,
    engine: tagging.engine,
    width: tagging.width,
    height: tagging.height,
    received_at: photo.receivedAt,
    tagged_at: new Date().toISOString(),
    ms: {
      queued: tenths(Math.max(0, from.queuedMs)),
      decode: tenths(tagging.ms.decode),
      infer: tenths(tagging.ms.infer),
    },
  };
  return { ok: true, photo, result };
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
