/**
 * What OpenSSL means by an error; its message has addresses and source lines around it, and a line
 * break.
 * @returns null for an error that is not OpenSSL's.
 */
export function tlsReason(error: unknown): string | null {
  const { code, reason } = Object(error) as { code?: unknown; reason?: unknown };
  const isTls = typeof code === 'string' && code.startsWith('ERR_SSL_');
  return isTls && typeof reason === 'string' ? `TLS: ${reason}` : null;
}
