import type { Failure, Result, Source } from '../result.ts';

/**
 * The interfaces between the doors and the pipeline. A door knows these and nothing of another
 * door; the pipeline knows no door.
 *
 * A photo's way: door → admission → spool → queue → tagger → result → outbox → doors.
 */

/** A photo as a door hands it in. */
export interface NewPhoto {
  /** Set by the sender or the door; the same photo handed in again after a crash has the same id. */
  readonly id: string;
  readonly source: Source;
  /** Path below the ingest folder, or the sender's file name. */
  readonly file: string | null;
  /** RFC 3339, UTC. */
  readonly receivedAt: string;
  /** Where an MQTT 5 sender wants the answer, besides the result topic. */
  readonly reply?: Reply;
  /**
   * `bytes`/`stream`: written to the spool. `move`: a file that is renamed into the spool (copied
   * where that is another file system). `keep`: a file that stays where it is and is only read.
   * `sight` tells it from another file of that path, where the id does not; where it does, `seen` is
   * what it says of the file.
   */
  readonly body:
    | { readonly bytes: Uint8Array }
    | { readonly stream: AsyncIterable<Buffer> }
    | (Move & { readonly sight?: string })
    | (Keep & { readonly sight?: string });
}

export interface Keep {
  readonly keep: string;
  /** Bytes, and milliseconds since 1970; else what is there when it is accepted. */
  readonly seen?: { readonly size: number; readonly mtimeMs: number };
}

export interface Move {
  /** A Buffer where its name is not UTF-8. */
  readonly move: string | Buffer;
  /** Folder above it from which no link may lead to it. */
  readonly below?: string;
}

export interface Reply {
  readonly topic: string;
  /** Base64 of MQTT 5 Correlation Data. */
  readonly correlation?: string;
}

/** A photo that is safe on disk. */
export interface SpooledPhoto extends Omit<NewPhoto, 'body'> {
  readonly body: Body;
}

/** Whose bytes: written by us, the user's file renamed or copied here, or the user's in its place. */
export type Body = 'upload' | 'moved' | 'kept';

/** How a photo ended. */
export type Outcome =
  | { readonly ok: true; readonly photo: SpooledPhoto; readonly result: Result }
  | { readonly ok: false; readonly photo: SpooledPhoto; readonly failure: Failure };

/** A photo that was taken. */
export interface Accepted {
  readonly outcome: Promise<Outcome>;
  /**
   * For a caller that goes without an answer: from now on the photo outlives the daemon, as those
   * from other doors do. @throws RetaggerError `busy` where the disk fails.
   */
  keep(): Promise<void>;
}

/** Why nothing is taken at present, for `/readyz` and `Retry-After`. */
export type Refusal = 'queue_full' | 'outbox_full' | 'disk_low' | 'not_ready' | 'stopping';

export interface Pipeline {
  /**
   * Accepts a photo: resolves once it is on disk, so that a door may acknowledge it.
   * @returns the photo's outcome, when it has one and the outcome is on disk too.
   * @throws RetaggerError `busy`, `stopping`, `image_too_large`; `request_invalid` for an upload that
   *   broke off; `file_missing`, `image_unsupported` for a file that is gone, not ours to move or none.
   */
  accept(photo: NewPhoto): Promise<Accepted>;
  /** Null while photos are accepted. */
  refusal(source: Source): Refusal | null;
  /** Resolves as soon as `refusal(source)` is null: backpressure for doors that can wait. */
  room(source: Source, signal: AbortSignal): Promise<void>;
  /** Every outcome, also of photos accepted before a restart. For the live feed and metrics. */
  onOutcome(listener: (outcome: Outcome) => void): () => void;
}

/** One result or failure on its way to the broker. */
export interface Message {
  readonly kind: 'result' | 'error';
  readonly payload: Result | Failure;
  readonly reply?: Reply;
}

/** The outbox as the pipeline knows it. */
export interface OutboxInlet {
  /**
   * Resolves when the message is on disk.
   * @param hold keeps the message on disk, even after `remove`, until the photo it tells of has
   *   been filed: after a crash in between, the outcome is known and not made a second time.
   */
  put(message: Message, hold?: Hold): Promise<void>;
  /** The same for the message of a photo that was found at start. */
  hold(hold: Hold): void;
  readonly length: number;
}

/** Keeps messages on disk until the broker has acknowledged them. */
export interface Outbox extends OutboxInlet {
  /** Oldest first; at most `limit` of those that are not taken yet. */
  take(limit: number): Promise<readonly OutboxEntry[]>;
  /** Called by the MQTT door after PUBACK. */
  remove(entry: OutboxEntry): Promise<void>;
  /** Gives all taken entries back, after a lost connection. */
  release(): void;
  /** Gives some back: they are taken once more. */
  giveBack(keys: readonly string[]): void;
  /** Called when something was put. */
  onPut(listener: () => void): () => void;
}

export interface Hold {
  /** Key of the photo in the spool. */
  readonly photo: string;
  /** Never rejects. */
  readonly until: Promise<void>;
}

export interface OutboxEntry {
  /** Sortable: older is smaller. */
  readonly key: string;
  readonly message: Message;
  /** True for an entry found at start, or given back after a lost connection. */
  readonly late: boolean;
}

/** A part of the daemon. The constructor does nothing; `stop` may be called at any time. */
export interface Part {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** One line of `/readyz`. */
export interface Health {
  readonly ok: boolean;
  readonly detail: string;
}
