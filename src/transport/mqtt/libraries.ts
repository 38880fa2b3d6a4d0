/** The MQTT libraries, each read when it is first needed. */

/** The client. */
export async function loadMqtt() {
  await withAllReasons();
  return (await import('mqtt')).default;
}

/** The broker; not read where there is another one. */
export async function loadAedes() {
  // As `writeCache` does for the client.
  const { writeToStream } = await import('mqtt-packet');
  writeToStream.cacheNumbers = false;
  return (await import('aedes')).Aedes;
}

/**
 * Brokers refuse a message with reasons that MQTT 5 does not list for that packet (mosquitto 2.0 with
 * one over its `message_size_limit`), and the parser reads nothing more after one it does not know.
 */
async function withAllReasons(): Promise<void> {
  // @ts-expect-error: it has no types.
  const { default: constants } = await import('mqtt-packet/constants.js');
  const known: Record<number, string> = constants.MQTT5_PUBACK_PUBREC_CODES;
  for (let reason = 0x80; reason <= 0xff; reason++) known[reason] ??= `reason ${reason}`;
}
