import type { AddressInfo } from 'node:net';
import { ConfigError } from '../../config/config-error.ts';
import { isLoopback } from '../../config/loopback.ts';
import { Refused } from '../../daemon/pipeline/refused.ts';
import type { Part } from '../../daemon/ports.ts';
import { EventStreams } from './event-streams.ts';
import { baseUrl } from './hosts.ts';
import { LiveFeed } from './live-feed.ts';
import { type HttpDoorParts, TIMINGS, type Timings } from './parts.ts';
import type { App } from './server.ts';
import { Waits } from './waits.ts';

/** Answers that are being written may take so long once the door closes. */
const CLOSE_MS = 2000;

/** The HTTP door and its web page. */
export class HttpDoor implements Part {
  readonly #parts: HttpDoorParts;
  readonly #feed: LiveFeed;
  readonly #timings: Timings;
  readonly #streams: EventStreams;
  readonly #waits = new Waits();
  #app: App | null = null;
  #url = '';

  /** @param timings other patience with clients than the product's, for tests. */
  constructor(parts: HttpDoorParts, timings: Partial<Timings> = {}) {
    this.#parts = { ...parts, log: parts.log.child({ part: 'http' }) };
    this.#timings = { ...TIMINGS, ...timings };
    this.#feed = new LiveFeed(parts.pipeline);
    this.#streams = new EventStreams(this.#timings.heartbeat);
  }

  /** Base URL for this box, without a slash at the end; empty before `start`. */
  get url(): string {
    return this.#url;
  }

  /** @throws ConfigError for a host that others reach without a token; Error for a port in use. */
  async start(): Promise<void> {
    const { host, port, token } = this.#parts.config.http;
    if (!isLoopback(host) && !token) {
      throw new ConfigError(`http.host: "${host}" is not loopback, so http.token is required`);
    }
    // Read now and not with this file, so that the model begins to load before.
    const { createApp } = await import('./app.ts');
    this.#app = await createApp(this.#parts, this.#feed, this.#streams, this.#waits, this.#timings);
    this.#feed.start((item) => this.#streams.send(item.kind, item));
    // "localhost" would open two servers, of which only one is watched over.
    const address = host === 'localhost' ? '127.0.0.1' : host;
    try {
      await this.#app.listen({ host: address, port });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why =
        code === 'EADDRINUSE'
          ? `http.port: ${address}:${port} is in use; choose another with --http-port`
          : `${code === 'EACCES' ? 'http.port' : 'http.host'}: ${message}`;
      throw new Error(why, { cause: error });
    }
    const taken = (this.#app.server.address() as AddressInfo).port;
    this.#url = baseUrl(address, taken);
    this.#parts.log.info({ host: address, port: taken }, 'listening');
  }

  async stop(): Promise<void> {
    this.#feed.stop();
    this.#streams.stop();
    this.#waits.end(Refused.because('stopping'));
    const app = this.#app;
    if (app === null) return;
    this.#app = null;
    const late = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
    await app.close();
    clearTimeout(late);
  }
}
