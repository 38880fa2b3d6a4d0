import type { Packet } from 'mqtt';

/** Characters; it is foreign text. */
const LONGEST = 200;

/**
 * What a broker adds to a refusal or a goodbye, for people: its own words, and the server to use instead.
 * @returns in brackets; empty for any other packet, and where it adds nothing.
 */
export function wordsOf(packet: Packet): string {
  if (packet.cmd !== 'connack' && packet.cmd !== 'disconnect') return '';
  const { reasonCode, properties } = packet;
  // MQTT 3.1.1 has no words.
  if (!reasonCode || !properties) return '';
  const words = [properties.reasonString, properties.serverReference].filter(Boolean).join(', ');
  return words && ` (${words.replace(/\p{Cc}/gu, ' ').slice(0, LONGEST)})`;
}
