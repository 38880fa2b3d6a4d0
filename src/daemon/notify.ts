import { execFile } from 'node:child_process';
import type { Logger } from '../log.ts';

/** `systemd-notify` takes milliseconds; one that hangs must not hold up the next message. */
const SEND_MS = 5000;

/** Sends one set of `NAME=value` assignments. */
export type SendNotification = (assignments: readonly string[]) => Promise<void>;

export interface NotifyParts {
  readonly log: Pick<Logger, 'warn'>;
  /** Whether the daemon gets its work done (`ProgressWatch.alive`). */
  readonly alive: () => boolean;
  /** One line for `systemctl status`. */
  readonly status: () => string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: the `systemd-notify` program, as Node has no datagram Unix sockets. */
  readonly send?: SendNotification;
}

/**
 * Tells systemd how the daemon is (sd_notify). Without `NOTIFY_SOCKET` it does nothing. Messages
 * go one at a time; while one is sent, later ones are put together, so there is never more than
 * one process and one waiting message.
 */
export class SystemdNotify {
  readonly #parts: NotifyParts;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #send: SendNotification;
  readonly #waiting = new Map<string, string>();
  #sending: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #warned = false;

  constructor(parts: NotifyParts) {
    this.#parts = parts;
    this.#env = parts.env ?? process.env;
    this.#send = parts.send ?? ((assignments) => systemdNotify(assignments, this.#env));
  }

  /** Milliseconds between two feedings of the watchdog; null where systemd wants none. */
  get interval(): number | null {
    const { WATCHDOG_USEC, WATCHDOG_PID } = this.#env;
    const usec = Number(WATCHDOG_USEC);
    if (!(usec > 0) || (WATCHDOG_PID && Number(WATCHDOG_PID) !== process.pid)) return null;
    return Math.max(1, usec / 3000);
  }

  /** Begins to feed the watchdog. */
  async start(): Promise<void> {
    if (!this.#env.NOTIFY_SOCKET) return;
    this.#put({ STATUS: 'starting' });
    const { interval } = this;
    if (interval === null || this.#timer !== null) return;
    this.#timer = setInterval(() => this.#feed(), interval);
    this.#timer.unref();
  }

  /** The daemon is open for photos. */
  ready(): Promise<void> {
    return this.#put({ READY: '1', STATUS: this.#parts.status() });
  }

  /** To be called first when the daemon stops; resolves when systemd knows. */
  stopping(): Promise<void> {
    return this.#put({ STOPPING: '1', STATUS: 'stopping' });
  }

  /** Ends feeding; what waits is still sent. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#sending;
  }

  #feed(): void {
    if (this.#parts.alive()) void this.#put({ WATCHDOG: '1', STATUS: this.#parts.status() });
  }

  #put(assignments: Readonly<Record<string, string>>): Promise<void> {
    if (!this.#env.NOTIFY_SOCKET) return Promise.resolve();
    for (const [name, value] of Object.entries(assignments)) {
      // One assignment a line is the protocol.
      this.#waiting.set(name, value.replaceAll(/\s+/g, ' '));
    }
    this.#sending ??= this.#drain().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.size > 0) {
      const assignments = [...this.#waiting].map(([name, value]) => `${name}=${value}`);
      this.#waiting.clear();
      try {
        await this.#send(assignments);
        this.#warned = false;
      } catch (error) {
        // Once is enough; systemd itself acts when the watchdog is not fed.
        if (!this.#warned) this.#parts.log.warn({ err: error }, 'systemd cannot be notified');
        this.#warned = true;
      }
    }
  }
}

/** @throws Error where the program is missing, fails or hangs. */
function systemdNotify(
  assignments: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: SEND_MS, killSignal: 'SIGKILL', env } as const;
    execFile('systemd-notify', [...assignments], options, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}
