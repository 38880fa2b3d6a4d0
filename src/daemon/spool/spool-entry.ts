import { join } from 'node:path';
import type { SpooledPhoto } from '../ports.ts';
import type { Origin } from './origin.ts';

/** A photo in the spool. */
export interface SpoolEntry extends SpooledPhoto {
  /** File with its bytes. */
  readonly path: string;
  /** Bytes when it was taken. */
  readonly size: number;
  /** Name of its files in the spool folder. */
  readonly key: string;
  /** False for HTTP: its caller waits for the answer and asks again after a crash. */
  readonly durable: boolean;
  /** Modification time when it was taken, to see whether a writer was still at it. */
  readonly mtimeMs: number;
  /** From before a restart: it may have been filed. */
  readonly again?: boolean;
  /** The user's file that this is a copy of; it goes when the photo has been dealt with. */
  readonly origin?: Origin;
}

/** Bytes that we wrote. @param dir the spool. */
export const uploadAt = (dir: string, key: string): string => join(dir, `${key}.upload`);

/** A user's file: the file itself, or its copy. @param dir the spool. */
export const copyAt = (dir: string, key: string): string => join(dir, `${key}.photo`);
