import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { IPublishPacket } from 'mqtt';
import { listens } from '../../accepts.ts';
import type { Config } from '../../config/schema.ts';
import type { Health, Outbox, Part, Pipeline } from '../../daemon/ports.ts';
import type { TaggerInfo } from '../../inference/tagger.ts';
import { type Logger, withoutCredentials } from '../../log.ts';
import { EmbeddedBroker } from './broker/broker.ts';
import { clientId } from './client/connect-options.ts';
import { Connection } from './client/connection.ts';
import { versionName } from './client/protocol-version.ts';
import type { Session } from './client/session.ts';
import { Subscriptions } from './client/subscriptions.ts';
import { Delivery } from './delivery.ts';
import { discoveryOf } from './discovery.ts';
import { Ingest } from './ingest/ingest.ts';
import { Journal } from './ingest/journal.ts';
import { Presence } from './presence.ts';
import { cameBy, type Topics, topicsOf } from './topics.ts';
import { within } from './within.ts';

/** Milliseconds for results on their way when the daemon stops. */
const DRAIN_MS = 1000;
/** Milliseconds for the ingest topics; a broker that takes longer presumably allows no subscription. */
const SUBSCRIBE_MS = 5000;

export interface MqttDoorParts {
  readonly config: Config;
  readonly log: Logger;
  readonly pipeline: Pipeline;
  readonly outbox: Outbox;
  readonly info: () => TaggerInfo | null;
}

/** Photos from MQTT, results to MQTT. */
export class MqttDoor implements Part {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #topics: Topics;
  readonly #journal: Journal;
  readonly #ingest: Ingest;
  readonly #delivery: Delivery;
  readonly #presence: Presence;
  readonly #subscriptions: Subscriptions;
  readonly #broker: EmbeddedBroker;
  readonly #in: Connection;
  readonly #out: Connection;

  constructor({ config, log: parent, pipeline, outbox, info }: MqttDoorParts) {
    const log = parent.child({ part: 'mqtt' });
    const topics = topicsOf(config.mqtt.base);
    this.#config = config;
    this.#log = log;
    this.#topics = topics;
    this.#journal = new Journal(join(config.data.dir, 'mqtt', 'journal.jsonl'), log);
    this.#ingest = new Ingest({ config, log, pipeline, outbox, journal: this.#journal, topics });
    this.#delivery = new Delivery(outbox, topics, log);
    this.#presence = new Presence({
      ...{ topic: topics.status, info, log },
      discovery: (loaded) => discoveryOf(config, topics, loaded),
    });
    this.#subscriptions = new Subscriptions(topics, log);
    this.#broker = new EmbeddedBroker({
      ...{ config, log, topics, ownId: clientId(config, 'out') },
      take: (incoming, signal) => this.#ingest.take(incoming, signal),
    });
    const url = () => this.url;
    this.#in = new Connection({
      ...{ config, log, url, role: 'in' as const },
      onUp: (session) => {
        this.#out.hurry();
        return this.#subscriptions.subscribe(session);
      },
      onDown: () => this.#journal.doubt(),
      onMessage: (packet, signal) => this.#take(packet, signal),
    });
    this.#out = new Connection({
      ...{ config, log, url, role: 'out' as const },
      will: () => this.#presence.will(),
      onUp: async (session) => {
        this.#delivery.up(session);
        void this.#announce(session);
      },
      onDown: () => {
        this.#presence.down();
        this.#delivery.down();
      },
    });
  }

  /** Whether the broker in use is the embedded one. */
  get #embedded(): boolean {
    return this.#broker.port !== null;
  }

  /** Address of the broker in use. */
  get url(): string {
    const { mqtt } = this.#config;
    return mqtt.url ?? `mqtt://127.0.0.1:${this.#broker.port ?? mqtt.port}`;
  }

  /** Opens the door; does not wait for a broker that is away. */
  async start(): Promise<void> {
    // For photos that are named by their path, where nobody watches the folder.
    await mkdir(this.#config.ingest.dir, { recursive: true }).catch(() => {});
    await this.#journal.open();
    if (await this.#startBroker()) {
      // It hands photos over itself, before it acknowledges them.
      this.#out.start(4, this.#broker.ownPassword);
    } else {
      this.#out.start();
      this.#in.start();
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#in.stop(), this.#leave()]);
    await this.#broker.stop();
    await this.#journal.close();
  }

  health(): Health {
    const [out, incoming] = [this.#out.state, this.#in.state];
    const refused = this.#delivery.refused;
    const name = this.#embedded ? 'embedded broker' : withoutCredentials(this.url);
    const states = this.#embedded ? [out] : [out, incoming];
    const down = states.find((state) => !state.up);
    if (down) {
      const why = down.reason ?? 'connecting';
      return { ok: false, detail: `${name}: ${why} (since ${minuteOf(down.since)})` };
    }
    const detail = `${name}, MQTT ${versionName(out.version)}, since ${minuteOf(out.since)}`;
    return refused === null ? { ok: true, detail } : { ok: false, detail: `${name} ${refused}` };
  }

  /** The last results, the goodbye, then the connection they went by. */
  async #leave(): Promise<void> {
    await within(DRAIN_MS, this.#delivery.drained());
    await this.#presence.leave();
    this.#delivery.down();
    await this.#out.stop();
  }

  /** Who reads that we are online may send a photo: a broker drops what nobody subscribes to. */
  async #announce(session: Session): Promise<void> {
    const { signal } = session;
    if (!this.#embedded) {
      this.#in.hurry();
      await within(SUBSCRIBE_MS, this.#in.whenUp(signal));
    }
    if (!signal.aborted) this.#presence.up(session);
  }

  async #take(packet: IPublishPacket, signal: AbortSignal): Promise<void> {
    const { ingest, fleet } = this.#topics;
    if (this.#subscriptions.isProbe(packet)) return;
    if (!cameBy(packet.topic, ingest) && !cameBy(packet.topic, fleet)) return;
    // Kept by the broker from some time ago; who sent it knows that it is old.
    if (packet.retain) return;
    const { payload, dup, messageId, properties } = packet;
    const incoming = {
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      ...{ dup, properties },
      ...{ session: clientId(this.#config, 'in'), packetId: messageId },
    };
    await this.#ingest.take(incoming, signal);
  }

  /** @returns whether the embedded broker runs: only where none is configured and none is there. */
  async #startBroker(): Promise<boolean> {
    const { url, port } = this.#config.mqtt;
    if (url !== undefined) return false;
    // Also where the port could be bound: one that a container publishes leads into the container.
    if (port !== 0 && (await listens(port))) return false;
    const started = await this.#broker.start();
    if (started)
      this.#log.info({ url: this.url }, 'no broker on this box: started the embedded one');
    return started;
  }
}

/** For people: 2026-01-31 09:05 UTC. */
const minuteOf = (time: Date) => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
