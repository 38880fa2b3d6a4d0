import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../../config/schema.ts';
import { RetaggerError } from '../../errors.ts';
import { Hosts } from './hosts.ts';
import type { App } from './server.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without a token: health checks and the page's own files. */
    readonly open?: boolean;
  }
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Opened by typing the address, where a browser cannot send a bearer token. */
const BROWSED = /^\/docs([/?]|$)/;

/** Keeps out other sites' pages (every request) and callers without the token. */
export class Guard {
  readonly #hosts: Hosts;
  readonly #token: Buffer | null;

  constructor({ host, token, allowed_hosts }: Config['http']) {
    this.#hosts = new Hosts(host, allowed_hosts);
    this.#token = token === undefined ? null : digest(Buffer.from(token));
  }

  register(app: App): void {
    app.addHook('onRequest', async (request, reply) => {
      this.#checkSite(request);
      if (request.routeOptions.config.open || this.authorized(request)) return;
      this.#challenge(request, reply);
    });
  }

  /** Whether the request carries the token; always true where none is set. */
  authorized(request: FastifyRequest): boolean {
    if (this.#token === null) return true;
    const given = credentials(request);
    return given !== null && timingSafeEqual(digest(given), this.#token);
  }

  /** @throws RetaggerError `host_forbidden`, `request_invalid` */
  #checkSite({ headers, method, raw }: FastifyRequest): void {
    const { host, origin } = headers;
    // No browser leaves Host out; HTTP/1.0 may.
    if (host === undefined && raw.httpVersion !== '1.0') {
      throw new RetaggerError('request_invalid', 'The request has no Host header.');
    }
    if (host !== undefined && !this.#hosts.accepts(host)) {
      throw new RetaggerError(
        'host_forbidden',
        `The host ${JSON.stringify(host.slice(0, 256))} is not one of this service; add it to http.allowed_hosts if it should be.`,
      );
    }
    const site = headers['sec-fetch-site'] ?? 'none';
    const isOurs =
      origin === undefined
        ? SAFE_METHODS.has(method) || site === 'same-origin' || site === 'none'
        : this.#hosts.acceptsOrigin(origin, host ?? '');
    if (isOurs) return;
    throw new RetaggerError('host_forbidden', 'Requests from pages of other sites are refused.');
  }

  #challenge(request: FastifyRequest, reply: FastifyReply): never {
    const scheme = BROWSED.test(request.url) ? 'Basic' : 'Bearer';
    reply.header('www-authenticate', `${scheme} realm="retagger"`);
    throw new RetaggerError('unauthorized');
  }
}

/** Digests have one length, so that comparing them takes one time. */
const digest = (token: Buffer) => createHash('sha256').update(token).digest();

/** The bytes of the token that a request carries, or null. */
function credentials(request: FastifyRequest): Buffer | null {
  const [, scheme = '', value = ''] =
    /^(\S+) +(.*)$/.exec(request.headers.authorization ?? '') ?? [];
  // Node reads headers as latin1: one character is one byte as sent.
  if (scheme.toLowerCase() === 'bearer') return Buffer.from(value, 'latin1');
  if (scheme.toLowerCase() !== 'basic' || !BROWSED.test(request.url)) return null;
  // The user name does not matter.
  const pair = Buffer.from(value, 'base64');
  const colon = pair.indexOf(':');
  return colon === -1 ? null : pair.subarray(colon + 1);
}
