/**
 * Whether a URL names a host, with a port and user info that the MQTT library can read. A "/", "?" or
 * "#" in a password ends the user info early: the rest of it would be taken for the host, and told.
 */
export function isBrokerUrl(text: string): boolean {
  try {
    const { hostname, username, password, pathname, search, hash } = new URL(text);
    decodeURIComponent(username);
    decodeURIComponent(password);
    return hostname !== '' && hash === '' && !`${pathname}${search}`.includes('@');
  } catch {
    return false;
  }
}
