import { once } from 'node:events';
import { createServer } from 'node:net';
import { baseUrl } from '../transport/http/hosts.ts';
import { type Check, fail, ok } from './check.ts';

const ANSWER_MS = 3000;

export const port: Check = {
  name: 'port',
  startup: false,
  async run({ http }) {
    if (!http.enabled) return ok('the HTTP door is closed by configuration');
    const at = `${http.host}:${http.port}`;
    const fault = await listenFault(http.host, http.port);
    if (fault === null) return ok(`${at} is free`);
    if (fault !== 'EADDRINUSE') {
      return fail(`${at}: ${fault}`, 'Set http.host to an address of this box (or 127.0.0.1).');
    }
    if (await isOurs(http.host, http.port)) return ok(`${at} is held by a running retagger`);
    return fail(
      `${at} is in use by another program`,
      `Set http.port, or stop it: ss -ltnp 'sport = :${http.port}'`,
    );
  },
};

async function listenFault(host: string, number: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen(number, host);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

/** `/readyz` needs no token and names our checks, ready or not. */
async function isOurs(host: string, number: number): Promise<boolean> {
  try {
    const response = await fetch(`${baseUrl(host, number)}/readyz`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = (await response.text()).slice(0, 65_536);
    return ['model', 'engine', 'queue'].every((check) => text.includes(`"${check}"`));
  } catch {
    return false;
  }
}
