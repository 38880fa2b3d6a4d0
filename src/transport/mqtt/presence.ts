import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { TaggerInfo } from '../../inference/tagger.ts';
import type { Logger } from '../../log.ts';
import type { Session } from './session.ts';

/** How often the model and engine are looked at, in milliseconds. */
const LOOK_MS = 2000;
/** Longest wait for the broker's acknowledgement, in milliseconds. */
const ACK_MS = 1000;

type State = 'online' | 'offline';

/** `<base>/status`, retained: online with what is loaded; offline by ourselves or by Last Will. */
export class Presence {
  readonly #topic: string;
  readonly #info: () => TaggerInfo | null;
  readonly #log: Logger;
  #session: Session | null = null;
  #version = '';
  #told = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(topic: string, info: () => TaggerInfo | null, log: Logger) {
    this.#topic = topic;
    this.#info = info;
    this.#log = log;
  }

  /** Finds out which version of the program this is. */
  async load(): Promise<void> {
    const manifest = new URL('../../../package.json', import.meta.url);
    this.#version = JSON.parse(await readFile(manifest, 'utf8')).version;
  }

  /** The Last Will. */
  will(): { topic: string; payload: Buffer; qos: 1; retain: boolean } {
    return {
      topic: this.#topic,
      payload: Buffer.from(this.#payload('offline')),
      qos: 1,
      retain: true,
    };
  }

  /** Says that we are here, and again whenever the model or engine changes. */
  up(session: Session): void {
    this.#session = session;
    this.#told = '';
    this.#look();
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  down(): void {
    this.#session = null;
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Says goodbye. Resolves when the broker knows, or after a second. */
  async leave(): Promise<void> {
    const session = this.#session;
    this.down();
    if (session === null || session.signal.aborted) return;
    const late = setTimeout(ACK_MS, undefined, { ref: false });
    await Promise.race([this.#publish(session, this.#payload('offline')), late]);
  }

  #look(): void {
    const payload = this.#payload('online');
    if (this.#session === null || payload === this.#told) return;
    this.#told = payload;
    void this.#publish(this.#session, payload);
  }

  async #publish({ client, connack }: Session, payload: string): Promise<void> {
    const retain = connack.properties?.retainAvailable !== false;
    try {
      await client.publishAsync(this.#topic, payload, { qos: 1, retain });
    } catch (error) {
      this.#log.warn({ err: error, topic: this.#topic }, 'the broker refused our status');
    }
  }

  #payload(state: State): string {
    const info = this.#info();
    return JSON.stringify({
      state,
      version: this.#version,
      model: info?.model ?? null,
      engine: info?.engine ?? null,
    });
  }
}
