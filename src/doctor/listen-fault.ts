import { once } from 'node:events';
import { createServer } from 'node:net';

/** @returns why nothing can listen there: the system's code; null where something can. */
export async function listenFault(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

/** What to do where the fault is EACCES. @param key of the port. */
export const noRightTo = (key: string): string =>
  `Ports below 1024 need root or CAP_NET_BIND_SERVICE; set ${key} to 1024 or more.`;
