import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** No more than this is read and thrown away. */
const LINGER_BYTES = 1024 * 1024 * 1024;
const LOOK_MS = 250;

const waiting = new WeakSet<IncomingMessage>();
/** Connections on which the present request has its answer, but has not ended. */
const settling = new WeakSet<Duplex>();

/** Notes that the client waits for `100 Continue` before it sends the body. */
export function markWaiting(request: IncomingMessage): void {
  waiting.add(request);
}

/** Whether what still comes on a connection has had its answer. */
export function isSettling(socket: Duplex): boolean {
  return settling.has(socket);
}

/** Tells a waiting client to send its body now. */
export function letBodyCome(request: FastifyRequest, reply: FastifyReply): void {
  if (waiting.delete(request.raw)) reply.raw.writeContinue();
}

/**
 * For an answer given before the upload was read. Closing now would make the kernel reset the
 * connection, and a client still sending would see that instead of the answer: so the rest is read
 * and dropped, within bounds.
 * @param lingerMs for how long.
 */
export function settleUnread(request: FastifyRequest, reply: FastifyReply, lingerMs: number): void {
  const { raw } = request;
  if (raw.complete || !hasBody(raw)) return;
  // It may or may not send the body after this answer, so Node closes the connection.
  if (waiting.has(raw)) return;
  // Of a body whose request offers another protocol (Java's HttpClient: h2c), Node throws away what
  // comes in one piece with its end: the next request would have no answer.
  if (raw.headers.upgrade !== undefined) reply.header('connection', 'close');
  raw.unpipe();
  raw.resume();
  const { socket } = raw;
  settling.add(socket);
  raw.once('end', () => settling.delete(socket));
  keepReading(raw);
  const last = socket.bytesRead + LINGER_BYTES;
  const deadline = performance.now() + lingerMs;
  const timer = setInterval(() => {
    if (raw.complete || socket.destroyed) clearInterval(timer);
    else if (socket.bytesRead > last || performance.now() > deadline) socket.destroy();
  }, LOOK_MS);
  timer.unref();
}

/**
 * An answer that is the connection's last (HTTP/1.0, `Connection: close`) has Node destroy it, read
 * or not: until the body has come, only our side is ended.
 */
function keepReading(raw: IncomingMessage): void {
  const { socket } = raw;
  const destroySoon = socket.destroySoon;
  socket.destroySoon = () => void socket.end();
  raw.once('end', () => {
    socket.destroySoon = destroySoon;
    if (socket.writableEnded) socket.destroySoon();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
