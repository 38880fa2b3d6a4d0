import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';
import { Refused } from '../../daemon/pipeline/refused.ts';

const MAX_CLIENTS = 16;
/** A client that leaves so much unread is dropped; it connects again and asks for what it missed. */
const MAX_UNREAD_BYTES = 256 * 1024;
const RECONNECT_MS = 3000;

/** Server-sent events to a bounded number of clients. */
export class EventStreams {
  readonly #heartbeatMs: number;
  readonly #clients = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | null = null;

  /** @param heartbeatMs keeps proxies from closing a quiet connection, and finds clients that are gone. */
  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** Turns the reply into a stream of events. @throws Refused `busy` where there are too many. */
  open(reply: FastifyReply): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      throw new Refused('busy', 30, `There are ${MAX_CLIENTS} listeners already.`);
    }
    const { raw } = reply;
    // A body that nobody reads would stay in memory, and hide that the listener has gone.
    reply.request.raw.resume();
    reply.type('text/event-stream').header('cache-control', 'no-store');
    // Proxies such as nginx would hold events back until they have a buffer full.
    reply.header('x-accel-buffering', 'no');
    reply.hijack();
    raw.writeHead(200, reply.getHeaders() as Record<string, string>);
    raw.on('close', () => this.#clients.delete(raw));
    // A listener that ends its side has gone, and would keep its place until a heartbeat fails.
    raw.socket?.once('end', () => raw.destroy());
    raw.on('error', () => raw.destroy());
    this.#clients.add(raw);
    this.#write(raw, `retry: ${RECONNECT_MS}\n\n`);
    this.#timer ??= setInterval(() => this.#toAll(': still here\n\n'), this.#heartbeatMs);
  }

  /** @param data JSON-serialisable. */
  send(event: string, data: unknown): void {
    if (this.#clients.size > 0) this.#toAll(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
    for (const client of this.#clients) client.end();
    this.#clients.clear();
  }

  #toAll(text: string): void {
    for (const client of this.#clients) this.#write(client, text);
  }

  #write(client: ServerResponse, text: string): void {
    if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
    else client.write(text);
  }
}
