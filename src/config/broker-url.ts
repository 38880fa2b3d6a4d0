/**
 * Whether a URL names a host, with a port and user info that can be read. A "/", "?" or
 * "#" in a password ends the user info early: the rest of it would be taken for the host, and told.
 */
export function isBrokerUrl(text: string): boolean {
  try {
    const { protocol, hostname, username, password, pathname, search, hash } = new URL(text);
    const rest = pathname + (protocol.startsWith('ws') ? '' : search) + hash;
    decodeURIComponent(hostname);
    decodeURIComponent(username);
    decodeURIComponent(password);
    return hostname !== '' && !rest.includes('@');
  } catch {
    return false;
  }
}

/** The MQTT library takes a client's certificate by one of their names only. */
export const plainScheme = (url: string): string =>
  url.replace(/^tcp:/, 'mqtt:').replace(/^(tls|ssl):/, 'mqtts:');

/** Whether certificates are of use there. */
export const isEncrypted = (url: string): boolean => /^(mqtts|tls|ssl|wss):/.test(url);
