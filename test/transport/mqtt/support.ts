import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Aedes, type Client } from 'aedes';
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { pino } from 'pino';
import { onTestFinished, vi } from 'vitest';
import type { RawConfig } from '../../../src/config/schema.ts';
import { Backoff } from '../../../src/transport/mqtt/backoff.ts';
import {
  EmbeddedBroker,
  type EmbeddedBrokerParts,
} from '../../../src/transport/mqtt/broker/broker.ts';
import { MqttDoor } from '../../../src/transport/mqtt/door.ts';
import { topicsOf } from '../../../src/transport/mqtt/topics.ts';
import { build, configIn, eventually, silent, temporaryDir } from '../../daemon/support.ts';

export { eventually };

type Changes = Parameters<typeof configIn>[1];

/** A door on the real pipeline, spool and outbox in a folder of its own, not yet started. */
export async function doorIn(dir: string, changes: Changes = {}) {
  // Port 0: the embedded broker on a free port, unless a test names a broker.
  const mqtt = { port: 0, ...changes.mqtt } as RawConfig['mqtt'];
  const config = configIn(dir, { ...changes, mqtt });
  const parts = build(config);
  const { pipeline, outbox, tagger } = parts;
  const door = new MqttDoor({
    config,
    log: process.env.DEBUGLOG ? pino({ level: 'debug' }) : silent,
    pipeline,
    outbox,
    info: () => tagger.info,
  });
  const box = {
    ...parts,
    door,
    async open() {
      await parts.start();
      await door.start();
      return box;
    },
    async close() {
      pipeline.refuse();
      tagger.letGo();
      await pipeline.stop(1000);
      await door.stop();
    },
  };
  onTestFinished(() => box.close());
  return box;
}

/** The same, started, in a new folder. */
export async function openDoor(changes: Changes = {}) {
  const box = await doorIn(await temporaryDir(), changes);
  return box.open();
}

/** @returns address of the embedded broker alone, whose photos go to `take`. */
export async function embeddedBroker(
  take: EmbeddedBrokerParts['take'] = async () => {},
  changes: Changes = {},
): Promise<string> {
  const config = configIn(await temporaryDir(), { mqtt: { port: 0 }, ...changes });
  const topics = topicsOf('retagger/box');
  const broker = new EmbeddedBroker({ config, log: silent, topics, ownId: 'ours', take });
  await broker.start();
  onTestFinished(() => broker.stop());
  return `mqtt://127.0.0.1:${broker.port}`;
}

/** Until the test ends no try again waits long: for tests of what comes of many tries. */
export function tryAgainSoon(): void {
  const spy = vi.spyOn(Backoff.prototype, 'next').mockReturnValue(20);
  onTestFinished(() => spy.mockRestore());
}

/** What is done every two seconds is done when the test says so, until it ends. @returns says so. */
export function heldIntervals(): () => void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  return () => vi.advanceTimersByTime(2000);
}

export interface Seen {
  readonly topic: string;
  readonly json: Record<string, unknown>;
  readonly packet: IPublishPacket;
}

/** A client that remembers what it received. */
export async function listener(url: string, topics: string[], options: IClientOptions = {}) {
  const client = await connected(url, options);
  const seen: Seen[] = [];
  client.on('message', (topic, payload, packet) => {
    const text = payload.toString();
    seen.push({ topic, json: text.startsWith('{') ? JSON.parse(text) : {}, packet });
  });
  await client.subscribeAsync(topics, { qos: 1 });
  return {
    client,
    seen,
    on: (topic: string) => seen.filter((message) => message.topic.endsWith(topic)),
    /** Resolves with the first `count` messages of a topic, once there are so many. */
    async first(topic: string, count = 1): Promise<Seen[]> {
      const found = () => seen.filter((message) => message.topic.endsWith(topic));
      await eventually(() => found().length >= count);
      return found().slice(0, count);
    },
  };
}

/** A client that is ended with the test. */
export async function connected(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 50, ...options });
  client.on('error', () => {});
  onTestFinished(() => client.endAsync(true));
  return client;
}

/** aedes as a broker that somebody else runs: it can go away, and keeps its sessions meanwhile. */
export async function otherBroker(options: ConstructorParameters<typeof Aedes>[0] = {}) {
  const aedes = await Aedes.createBroker(options);
  const { clients, persistence } = aedes as unknown as {
    clients: Record<string, Client>;
    persistence: { subscriptionsByTopic(topic: string): Promise<unknown[]> };
  };
  const sockets = new Set<Socket>();
  let server = createServer();
  let port = 0;
  const broker = {
    aedes,
    get url() {
      return `mqtt://127.0.0.1:${port}`;
    },
    get port() {
      return port;
    },
    async up() {
      server = createServer((socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        aedes.handle(socket);
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      port = (server.address() as AddressInfo).port;
      return broker;
    },
    /** Cuts the connections of clients with such ids. */
    cut(id: RegExp) {
      for (const client of Object.values(clients)) if (id.test(client.id)) client.conn.destroy();
    },
    /** Who has a lasting subscription to a topic. */
    subscribers: (topic: string) => persistence.subscriptionsByTopic(topic),
    async down() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  onTestFinished(async () => {
    if (server.listening) await broker.down();
    await new Promise<void>((resolve) => aedes.close(resolve));
  });
  return broker.up();
}
