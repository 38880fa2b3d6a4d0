import type { FastifyReply, FastifyRequest } from 'fastify';
import { RetaggerError } from '../../errors.ts';
import type { App } from './server.ts';

/** All that our routes answer. */
const METHODS = ['GET', 'HEAD', 'POST'];

/**
 * Answers a request that no route takes.
 * @throws RetaggerError `method_not_allowed` where another method would do, else `not_found`.
 */
export function refuseUnrouted(app: App, { url }: FastifyRequest, reply: FastifyReply): never {
  const [path = ''] = url.split('?', 1);
  const detail = /^\/re-tagger\/?$/.test(path) ? 'Photos go to POST /re-tagger.' : undefined;
  // It is asked by pattern, and would compile what a stranger sends; none of our routes has these.
  const isPattern = /[:*]/.test(path);
  const allowed = METHODS.filter((method) => !isPattern && app.hasRoute({ method, url: path }));
  if (allowed.length === 0) throw new RetaggerError('not_found', detail);
  // A 405 has to name them (RFC 9110).
  reply.header('allow', allowed.join(', '));
  throw new RetaggerError('method_not_allowed', detail);
}
