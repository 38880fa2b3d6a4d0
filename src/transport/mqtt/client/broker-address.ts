import { domainToASCII } from 'node:url';
import type { IClientOptions } from 'mqtt';

/**
 * Where a broker is, and as whom: what mqtt.js would read from the URL itself, but by `url.parse`, against
 * which Node 24 warns, and which leaves a colon in a password on the wrong side.
 * @param url that `isBrokerUrl` holds for.
 */
export function brokerAddress(url: string): IClientOptions {
  const { protocol, hostname, port, pathname, search, username, password } = new URL(url);
  const isWeb = protocol.startsWith('ws');
  return {
    protocol: protocol.slice(0, -1) as NonNullable<IClientOptions['protocol']>,
    host: isWeb ? hostname : hostOf(hostname),
    ...(port === '' ? {} : { port: Number(port) }),
    ...(isWeb ? { path: pathname + search } : {}),
    // MQTT 3.1.1 knows no password without a user name.
    ...(username + password === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  };
}

/** Of schemes that browsers do not know, `URL` leaves a host as it is written. */
function hostOf(written: string): string {
  if (written.startsWith('[')) return written.slice(1, -1);
  const name = decodeURIComponent(written);
  // Empty where it is none; then the system says so, and no other host is taken.
  return domainToASCII(name) || name;
}
