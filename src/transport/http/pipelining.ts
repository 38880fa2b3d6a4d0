import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection without their whole answer. Hardly any client sends a second one. */
const UNANSWERED = 16;
/** Has Node's parser read nothing more. */
const NO_MORE = -1;

/** The part of Node's parser that hands out a request. */
interface Parser {
  onIncoming?: (request: IncomingMessage, keepsAlive: boolean) => number;
}

/**
 * Ends a connection that asks for more than it has read the answers of. Node makes requests of all
 * that has come, well over a thousand in one packet, and keeps the answers to all but the first.
 */
export function boundPipelining(server: Server): void {
  const unanswered = new WeakMap<Socket, number>();
  const add = (socket: Socket, some: number) => {
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + some);
  };
  const count = ({ socket }: IncomingMessage, response: ServerResponse) => {
    add(socket, 1);
    response.once('close', () => add(socket, -1));
  };
  for (const event of ['request', 'checkContinue', 'checkExpectation']) {
    server.prependListener(event, count);
  }
  server.on('connection', (socket: Socket) => {
    const { parser } = socket as { parser?: Parser };
    const handOut = parser?.onIncoming;
    if (parser === undefined || handOut === undefined) return;
    // A listener of `request` comes too late: the other requests are there by then.
    parser.onIncoming = (request, keepsAlive) => {
      if ((unanswered.get(socket) ?? 0) < UNANSWERED) return handOut(request, keepsAlive);
      socket.destroy();
      return NO_MORE;
    };
  });
}
