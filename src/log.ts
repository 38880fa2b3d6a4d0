import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger } from 'pino';

/** Never written, wherever in a logged object they turn up. */
const SECRETS = ['token', 'password', 'authorization', 'cookie'];

export interface LogOptions {
  readonly level: string;
  /** File descriptor: 1 for the daemon, 2 for commands whose standard output is data. */
  readonly fd?: 1 | 2;
  /** Instead of `fd`, for tests. */
  readonly destination?: DestinationStream;
}

/**
 * What steers a terminal, or turns round how a line reads: a file's name or a client's id may have it.
 * JSON escapes only some of it by itself.
 */
const STEERING = /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** One JSON object a line, or readable lines on a terminal. Times are RFC 3339, UTC. */
export async function createLogger(options: LogOptions): Promise<Logger> {
  const fd = options.fd ?? 1;
  const terminal = (fd === 1 ? process.stdout : process.stderr).isTTY === true;
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[secret]',
      },
      serializers: { url: (url: unknown) => withoutCredentials(String(url)) },
    },
    options.destination ?? (terminal ? await prettyStream(fd) : plainStream(fd)),
  );
}

/** More than this is dropped while the output takes nothing. */
const WAITING_BYTES = 1024 * 1024;

function plainStream(fd: number): DestinationStream {
  // Synchronous: what was logged last before a crash is what one needs. But never waiting: a reader
  // that has stopped reading would stop the daemon.
  const retryEAGAIN = () => false;
  const stream = pino.destination({ fd, sync: true, maxLength: WAITING_BYTES, retryEAGAIN });
  // A full disk under the log is no reason to stop.
  stream.on('error', () => {});
  return visibly(stream, '\\u');
}

/** @param prefix how JSON, or what reads it, writes a character by its number. */
function visibly<T extends DestinationStream>(stream: T, prefix: string): T {
  const write = stream.write.bind(stream);
  const shown = (character: string) =>
    `${prefix}${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  stream.write = (line) => write(line.replace(STEERING, shown));
  return stream;
}

/** `mqtts://user:secret@host` → `mqtts://***@host`; also of what a typing error made no URL. */
export function withoutCredentials(url: string): string {
  return url.replace(/^(\w+:\/*)?.*@/s, '$1***@');
}

async function prettyStream(fd: number): Promise<DestinationStream> {
  // Loaded only here: services have no terminal, and start-up time counts.
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    destination: fd,
    sync: true,
    ignore: 'pid,hostname,part',
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: '{if part}{part}: {end}{msg}',
  });
  // It takes one backslash away.
  return visibly(stream, '\\\\u');
}
