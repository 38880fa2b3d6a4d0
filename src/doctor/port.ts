import type { Config } from '../config/schema.ts';
import { isLocked } from '../files/folder-lock.ts';
import { baseUrl } from '../transport/http/hosts.ts';
import { type Check, type Finding, fail, ok, warn } from './check.ts';
import { listenFault, noRightTo } from './listen-fault.ts';
import { notOk, readiness } from './readiness.ts';

export const port: Check = {
  name: 'port',
  async run({ http, data }) {
    if (!http.enabled) return ok('the HTTP door is closed by configuration');
    const at = `${http.host}:${http.port}`;
    const fault = await listenFault(http.host, http.port);
    if (fault === null) return ok(`${at} is free`);
    if (fault === 'EADDRINUSE') return heldFinding(at, http, data.dir);
    if (fault === 'EACCES') return fail(`${at}: ${fault}`, noRightTo('http.port'));
    return fail(`${at}: ${fault}`, 'Set http.host to an address of this box (or 127.0.0.1).');
  },
};

async function heldFinding(at: string, http: Config['http'], dataDir: string): Promise<Finding> {
  const base = baseUrl(http.host, http.port);
  const checks = await readiness(base);
  if (checks === null) {
    return fail(
      `${at} is in use by another program`,
      `Set http.port, or stop it: ss -ltnp 'sport = :${http.port}'`,
    );
  }
  if ((await isLocked(dataDir)) === false) {
    return fail(`${at} is held by another retagger (with another data.dir)`, 'Set http.port.');
  }
  const held = `${at} is held by a running retagger`;
  const troubles = notOk(checks);
  if (troubles.length === 0) return ok(held);
  const more = http.token ? `${base}/readyz says why to who sends http.token` : 'its log says more';
  return warn(`${held}, which is not ready: ${troubles.join('; ')}`, `Mend that; ${more}.`);
}
