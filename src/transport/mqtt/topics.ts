/** Photos for whichever box of the fleet is free. */
const FLEET_TOPIC = 'retagger/fleet/ingest';
/** The same as a shared subscription: the broker gives each message to one box. */
export const FLEET_SHARE = `$share/retagger/${FLEET_TOPIC}`;

export interface Topics {
  readonly ingest: string;
  readonly fleet: string;
  readonly result: string;
  readonly error: string;
  readonly status: string;
}

/** @param base `mqtt.base`, without wildcards. */
export function topicsOf(base: string): Topics {
  return {
    ingest: `${base}/ingest`,
    fleet: FLEET_TOPIC,
    result: `${base}/result`,
    error: `${base}/error`,
    status: `${base}/status`,
  };
}

/**
 * Whether a message came by this topic. RabbitMQ delivers `a/b.c` as `a/b/c`: it has one character
 * for the dot and the slash. Only for what was subscribed to.
 */
export const cameBy = (topic: string, subscribed: string): boolean =>
  topic === subscribed || topic === subscribed.replaceAll('.', '/');
