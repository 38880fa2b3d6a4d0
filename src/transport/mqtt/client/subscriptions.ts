import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { IClientSubscribeOptions, IPublishPacket } from 'mqtt';
import type { Logger } from '../../../log.ts';
import { cameBy, FLEET_SHARE, type Topics } from '../topics.ts';
import type { Session } from './session.ts';

/** Milliseconds for our own message to come back to us. */
const PROBE_MS = 3000;
/** Connections in a row that may end over the fleet's topic; the next goes without. */
const CUT_OFF = 3;

/** Retained messages (`rh: 2`) are not sent: a photo kept by the broker is no new photo. */
const OPTIONS: IClientSubscribeOptions = { qos: 1, rh: 2 };

/** Subscribes to the ingest topics, the fleet's shared where the broker can. */
export class Subscriptions {
  readonly #topics: Topics;
  readonly #probeTopic: string;
  readonly #log: Logger;
  /** Connections in a row that have ended so. */
  #cutOff = 0;
  #probe: { readonly nonce: string; readonly arrived: () => void } | null = null;

  constructor(topics: Topics, log: Logger) {
    this.#topics = topics;
    this.#probeTopic = `${topics.ingest}/probe`;
    this.#log = log;
  }

  /**
   * Resolves when this box's own topic is subscribed to; the fleet's follows by itself.
   * @throws Error where the broker refuses it.
   */
  async subscribe(session: Session): Promise<void> {
    const { ingest, fleet } = this.#topics;
    // A box that is named "fleet" has the fleet's topic for its own.
    if (ingest !== fleet) await session.client.subscribeAsync(ingest, OPTIONS);
    void this.#subscribeFleet(session);
  }

  async #subscribeFleet(session: Session): Promise<void> {
    if (this.#cutOff >= CUT_OFF) {
      // Some brokers hang up at a topic they do not allow, and would again each time.
      this.#log.warn('the fleet topic has ended the connection; going on without');
      this.#cutOff -= 1;
      return;
    }
    try {
      const { fleet } = this.#topics;
      const shares = await this.#canShare(session);
      await session.client.subscribeAsync(shares ? FLEET_SHARE : fleet, OPTIONS);
      // An older session may have the other, from when the broker was asked last: each photo would
      // come once by either.
      if (session.connack.sessionPresent) {
        await session.client.unsubscribeAsync(shares ? fleet : FLEET_SHARE);
      }
      this.#cutOff = 0;
    } catch (error) {
      if (session.signal.aborted) {
        this.#cutOff += 1;
        return;
      }
      this.#log.warn({ err: error }, 'the broker refuses the fleet topic; going on without');
    }
  }

  /** Takes note of our own probe. @returns whether the message was that. */
  isProbe({ topic, payload }: IPublishPacket): boolean {
    if (!cameBy(topic, this.#probeTopic)) return false;
    if (payload.toString() === this.#probe?.nonce) this.#probe.arrived();
    return true;
  }

  /** MQTT 5 brokers say so. Older ones take `$share/…` for a plain topic, or know it: we try. */
  async #canShare(session: Session): Promise<boolean> {
    const { client, connack, version } = session;
    if (version === 5) return connack.properties?.sharedSubscriptionAvailable !== false;
    const shared = `$share/retagger/${this.#probeTopic}`;
    const nonce = randomUUID();
    const arrived = new Promise<boolean>((resolve) => {
      this.#probe = { nonce, arrived: () => resolve(true) };
    });
    try {
      await client.subscribeAsync(shared, OPTIONS);
      await client.publishAsync(this.#probeTopic, nonce, { qos: 0 });
      const late = setTimeout(PROBE_MS, false, { ref: false, signal: session.signal });
      const able = await Promise.race([arrived, late]);
      await client.unsubscribeAsync(shared);
      return able;
    } catch (error) {
      session.signal.throwIfAborted();
      this.#log.debug({ err: error }, 'the broker does not share subscriptions');
      return false;
    } finally {
      this.#probe = null;
    }
  }
}
