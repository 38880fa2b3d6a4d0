import { isIP } from 'node:net';
import { isLoopback } from '../../config/loopback.ts';

/** Lower case, without port, brackets and the root's dot; null where it is no host. */
export function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+))(?::\d{1,5})?$/i.exec(host.trim());
  const name = (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '');
  return name ? name : null;
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

/**
 * The names under which this service may be addressed. A page of another site that gets its own
 * name resolved to this address (DNS rebinding) is told apart by the name in `Host` and `Origin`.
 */
export class Hosts {
  readonly #listened: string;
  readonly #allowed: ReadonlySet<string>;

  /** @param allowed more names (`http.allowed_hosts`), with or without port. */
  constructor(listened: string, allowed: readonly string[]) {
    this.#listened = listened.toLowerCase();
    this.#allowed = new Set(allowed.map((host) => hostName(host) ?? host.toLowerCase()));
  }

  /** @param host a `Host` header. */
  accepts(host: string): boolean {
    const name = hostName(host);
    if (name === null) return false;
    if (isLoopback(name) || name === this.#listened || this.#allowed.has(name)) return true;
    // Listening everywhere, any address may be ours (containers cannot know theirs), and an
    // address, unlike a name, cannot be rebound.
    return isWildcard(this.#listened) && isIP(name) !== 0;
  }

  /**
   * @param origin an `Origin` header.
   * @param host the request's own `Host`.
   */
  acceptsOrigin(origin: string, host: string): boolean {
    if (!URL.canParse(origin)) return false;
    const { host: from } = new URL(origin);
    if (from !== '' && from === host.toLowerCase()) return true;
    return this.#allowed.has(hostName(from) ?? '');
  }
}

/** The address for people and programs on this box. */
export function baseUrl(host: string, port: number): string {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${isIP(name) === 6 ? `[${name}]` : name}:${port}`;
}
