import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../../../config/schema.ts';
import type { NewPhoto, Outbox, Pipeline, Reply } from '../../../daemon/ports.ts';
import { lookAt, present } from '../../../daemon/spool/origin.ts';
import { RetaggerError, toRetaggerError } from '../../../errors.ts';
import { isCode, isDiskTrouble } from '../../../files/system-errors.ts';
import type { Logger } from '../../../log.ts';
import { Backoff } from '../backoff.ts';
import type { Topics } from '../topics.ts';
import { resolveIngestPath } from './ingest-path.ts';
import type { Journal } from './journal.ts';
import { type Ask, readPayload } from './payload.ts';
import { type ReplyProperties, readReply } from './reply.ts';

/** Waits between tries while the disk takes nothing, in milliseconds. */
const DISK_RETRY = { first: 250, longest: 5000 };
/** So often a file is tried where our disk seems to be well. */
const OWN_FAULT_TRIES = 3;

/** The system has too little of something at the moment, or a share is away. */
const PASSES = [
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EBUSY'],
  ...['ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN'],
];

/** A message as it came from a broker, or from a client of the embedded one. */
export interface Incoming {
  readonly payload: Buffer;
  /** The sender of the packet says it may have sent it before. */
  readonly dup: boolean;
  /** Session that packet ids belong to. */
  readonly session: string;
  /** Absent with QoS 0. */
  readonly packetId?: number | undefined;
  /** MQTT 5. */
  readonly properties?: ReplyProperties | undefined;
}

export interface IngestParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
  readonly outbox: Outbox;
  readonly journal: Journal;
  readonly topics: Topics;
}

/** Brings messages of the ingest topics into the pipeline. */
export class Ingest {
  readonly #parts: IngestParts;

  constructor(parts: IngestParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the message may be acknowledged: the photo is on disk, or what is wrong with it
   * waits in the outbox. Waits as long as the pipeline has no room.
   * @throws the signal's reason: the message must not be acknowledged; the broker sends it again.
   */
  async take(incoming: Incoming, signal: AbortSignal): Promise<void> {
    const { pipeline, journal, config, topics } = this.#parts;
    await pipeline.room('mqtt', signal);
    const key = keyOf(incoming);
    const past = key === null ? null : await journal.idOf(key, incoming.dup);
    const ask = await readPayload(incoming.payload, config.limits.upload_bytes);
    const id = ask.id ?? past?.id ?? crypto.randomUUID();
    let reply: Reply | undefined;
    try {
      reply = readReply(incoming.properties, Object.values(topics));
      const photo = await this.#photoOf(ask, { id, reply, key });
      await this.#accept(photo, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toRetaggerError(thrown);
      // It is missing because the last run took it and could not say so.
      const isGone = error.code === 'file_missing' && error.cause === undefined;
      const ours = isGone && past?.hadFile === true;
      if (!ours) await this.#refuse(id, fileOf(ask), reply, error, signal);
    }
    // On a connection that is gone nothing can be acknowledged: the message comes again.
    if (key !== null && !signal.aborted) await journal.acked(key);
  }

  async #photoOf(
    ask: Ask,
    { id, reply, key }: { id: string; reply: Reply | undefined; key: string | null },
  ): Promise<NewPhoto> {
    if ('error' in ask) throw ask.error;
    const { ingest } = this.#parts.config;
    const photo = {
      id,
      source: 'mqtt' as const,
      file: fileOf(ask),
      receivedAt: new Date().toISOString(),
      ...(reply ? { reply } : {}),
    };
    if ('bytes' in ask) return { ...photo, body: { bytes: ask.bytes } };
    const file = await resolveIngestPath(ingest.dir, ask.path);
    const { ino, size, mtimeMs } = await present(lookAt(file));
    if (key !== null) await this.#parts.journal.sawFile(key);
    const sight = `${ino} ${size} ${mtimeMs}`;
    const body =
      ingest.after === 'keep' ? { keep: file, sight } : { move: file, below: ingest.dir, sight };
    return { ...photo, body };
  }

  /** Until it is accepted or has a fault that waiting does not cure. */
  async #accept(photo: NewPhoto, signal: AbortSignal): Promise<void> {
    const { pipeline } = this.#parts;
    const backoff = new Backoff(DISK_RETRY);
    for (let tries = 1; ; tries++) {
      try {
        await pipeline.accept(photo);
        return;
      } catch (error) {
        const { code, cause } = error as RetaggerError;
        if (code !== 'busy' && code !== 'stopping') throw error;
        const isPath = 'move' in photo.body || 'keep' in photo.body;
        const isWell = pipeline.refusal('mqtt') === null;
        // Once may be our own disk's fault all the same: the kernel tells of a failed write one time.
        if (isPath && isOwnFault(cause) && isWell && tries >= OWN_FAULT_TRIES) {
          const why = (cause as Error).message;
          throw new RetaggerError('file_missing', `The file cannot be taken: ${why}`, { cause });
        }
        await setTimeout(backoff.next(), undefined, { signal });
        await pipeline.room('mqtt', signal);
      }
    }
  }

  async #refuse(
    id: string,
    file: string | null,
    reply: Reply | undefined,
    { code, message }: RetaggerError,
    signal: AbortSignal,
  ): Promise<void> {
    const { log, outbox } = this.#parts;
    log.warn({ id, file, code, reason: message }, 'message refused');
    const payload = { id, source: 'mqtt' as const, file, code, message };
    const backoff = new Backoff(DISK_RETRY);
    for (;;) {
      try {
        await outbox.put({ kind: 'error', payload, ...(reply ? { reply } : {}) });
        return;
      } catch (error) {
        log.warn({ err: error, id }, 'the disk does not take a message; trying again');
        await setTimeout(backoff.next(), undefined, { signal });
      }
    }
  }
}

/** Of this one file, and not of our disk: it must not hold up those behind it. */
const isOwnFault = (cause: unknown): boolean =>
  isDiskTrouble(cause) && !isCode(cause, ...PASSES, 'ENOSPC', 'EDQUOT');

const fileOf = (ask: Ask): string | null => ('path' in ask ? ask.path.toWellFormed() : null);

/** Which message it is, for the journal; null where it will not be sent again. */
function keyOf({ packetId, session, payload }: Incoming): string | null {
  if (packetId === undefined) return null;
  const hash = createHash('sha256').update(`${session}\0${packetId}\0`).update(payload);
  return hash.digest('hex').slice(0, 32);
}
