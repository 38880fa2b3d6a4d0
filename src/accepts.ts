import { connect, type NetConnectOpts } from 'node:net';

/** Milliseconds in which a program on this box answers. */
const LOOK_MS = 1000;

/** Whether something on this box accepts connections there. */
export function accepts(at: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...at, timeout: LOOK_MS });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

/** The same of a port at loopback. */
export const listens = (port: number): Promise<boolean> => accepts({ host: '127.0.0.1', port });
