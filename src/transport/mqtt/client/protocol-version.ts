import { ConnectionError } from './session.ts';

export type Version = 4 | 5;

/** How brokers that speak only 3.1.1 refuse MQTT 5, in either version's code. */
const WRONG_VERSION = [1, 132];

/** The version of MQTT that a broker is spoken to in: 5 where it can, else 3.1.1. */
export class ProtocolVersion {
  current: Version = 5;
  /** This version has worked with this broker. */
  #proven = false;
  /** Whether 3.1.1 is tried because 5 was met with silence, and 5 not again since. */
  #guess: 'no' | 'yes' | 'checked' = 'no';

  /**
   * 3.1.1 works, where 5 was met with silence: of a broker that does not know 5, or of what was there
   * before the broker had started. It is to be asked for 5 once more.
   */
  get isGuess(): boolean {
    return this.#guess === 'yes';
  }

  /** 5 is tried once more. */
  check(): void {
    this.#guess = 'checked';
    this.current = 5;
  }

  /** A connection is up. */
  worked(): void {
    this.#proven = true;
  }

  /**
   * The broker refused a connection.
   * @param reason in CONNACK; null where it gave none.
   * @returns whether it did because of version 5, and 3.1.1 is to be tried.
   */
  refused(reason: number | null): boolean {
    if (this.current === 4 || reason === null || !WRONG_VERSION.includes(reason)) return false;
    this.current = 4;
    return true;
  }

  /**
   * A connection is down. Some brokers hang up at a version they do not know: then the other is next.
   * @returns whether that is 3.1.1: only where it fails too is something wrong.
   */
  failed(error: Error): boolean {
    if (this.#proven || !(error instanceof ConnectionError && error.silent)) return false;
    this.current = this.current === 5 ? 4 : 5;
    if (this.#guess !== 'checked') this.#guess = this.current === 4 ? 'yes' : 'no';
    return this.current === 4;
  }
}

export const versionName = (version: Version) => (version === 5 ? '5.0' : '3.1.1');
