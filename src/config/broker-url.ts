/** Whether a URL names a host, with a port and user info that the MQTT library can read. */
export function isBrokerUrl(text: string): boolean {
  try {
    const { hostname, username, password } = new URL(text);
    decodeURIComponent(username);
    decodeURIComponent(password);
    return hostname !== '';
  } catch {
    return false;
  }
}
