import { listens } from '../accepts.ts';
import { withoutCredentials } from '../log.ts';
import { brokerAddress } from '../transport/mqtt/client/broker-address.ts';
import { connectOptions } from '../transport/mqtt/client/connect-options.ts';
import { tlsReason } from '../transport/mqtt/client/tls-reason.ts';
import { loadMqtt } from '../transport/mqtt/libraries.ts';
import { type Check, type Finding, fail, ok } from './check.ts';
import { listenFault, noRightTo } from './listen-fault.ts';

const CONNECT_MS = 5000;
/** How a broker refuses MQTT 3.1.1. */
const WRONG_VERSION = 1;

export const broker: Check = {
  name: 'broker',
  async run(config) {
    const { mqtt } = config;
    if (!mqtt.enabled) return ok('the MQTT door is closed by configuration');
    const local = `mqtt://127.0.0.1:${mqtt.port}`;
    if (mqtt.url === undefined && !(await listens(mqtt.port))) {
      return embeddedFinding(local, mqtt.port);
    }
    const url = mqtt.url ?? local;
    try {
      const { connectAsync } = await loadMqtt();
      const connect = async (version: 4 | 5) => {
        const { clientId: _, ...options } = await connectOptions(config, 'out', version);
        const more = {
          // Not the daemon's name: the broker would throw the running daemon out.
          clientId: `retagger-doctor-${process.pid}`,
          clean: true,
          manualConnect: false,
          connectTimeout: CONNECT_MS,
        };
        return connectAsync('', { ...options, ...brokerAddress(url), ...more }, false);
      };
      // Some brokers only hang up at MQTT 5 where they do not know it; few do not know 3.1.1.
      const client = await connect(4).catch((error) => {
        if (error.code !== WRONG_VERSION) throw error;
        return connect(5);
      });
      await client.endAsync(true);
      return ok(`${withoutCredentials(url)} answers and lets us in`);
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      const reason = tlsReason(error) ?? (message || code);
      return fail(`${withoutCredentials(url)}: ${reason}`, adviceFor(message, code));
    }
  },
};

async function embeddedFinding(local: string, port: number): Promise<Finding> {
  if ((await listenFault('127.0.0.1', port)) === 'EACCES') {
    return fail(`${local}: the embedded broker cannot be started there`, noRightTo('mqtt.port'));
  }
  return ok(`nothing at ${local}: the embedded broker will be started there`);
}

/** What to do about a connection that failed so. */
export function adviceFor(message: string, code: unknown): string {
  if (/^mqtt\.(ca|cert|key)\b/.test(message)) {
    return 'Mend that file or its path (relative paths count from the current folder).';
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return "Use in mqtt.url a name that the broker's certificate holds.";
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return "Check this box's clock; if it is right, the broker needs a new certificate.";
  }
  // An alert is the broker's own word: of our certificate, not of its.
  if (/_ALERT_.*(CERTIFICATE|UNKNOWN_CA)/.test(String(code))) {
    return 'Set mqtt.cert and mqtt.key to a certificate that the broker accepts and that has not expired.';
  }
  if (/not authorized|bad user ?name/i.test(message)) {
    return 'Check mqtt.username, mqtt.password and the access rules of the broker.';
  }
  if (/certificate|self.signed|unable to verify|ssl|tls/i.test(`${message} ${code}`)) {
    return "Set mqtt.ca to the PEM file of the broker's authority, and check the clock.";
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return 'Check the host name in mqtt.url and DNS.';
  return 'Check mqtt.url, that the broker runs, and the firewall. Results wait in the outbox until then.';
}
