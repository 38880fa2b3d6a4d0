import { Command } from 'commander';
import { ConfigError } from '../config/config-error.ts';
import { addConfigFlags, configFrom } from '../config/flags.ts';
import { checkFolders } from '../config/folders.ts';
import { forNextStart } from '../config/live.ts';
import type { Config } from '../config/schema.ts';
import type { Daemon } from '../daemon/daemon.ts';
import { RetaggerError } from '../errors.ts';
import { isCode, isDiskTrouble } from '../files/system-errors.ts';
import { loadBundle, verifyBundle } from '../inference/bundle.ts';
import { createLogger, type Logger } from '../log.ts';

/** Stopping may take so long; then the process ends anyway. Nothing accepted is lost by it. */
const STOP_MS = 10_000;
/** Ctrl-C under `npm start` comes twice: from the terminal and passed on by npm. */
const SAME_SIGNAL_MS = 500;

/** `retagger run`: the daemon, until SIGTERM or SIGINT. */
export function runCommand(): Command {
  const command = new Command('run').description(
    'runs the daemon: watch folder, MQTT and HTTP in; tags out',
  );
  command.option(
    '--check',
    'only check whether it would start and every door would work with this configuration, its folders, certificates and model; exit code 0 or 2',
  );
  return addConfigFlags(command).action(async ({ check }: { check?: boolean }) => {
    const read = () => {
      const config = configFrom(command);
      checkFolders(config);
      return config;
    };
    const config = read();
    if (check) return checkStart(config);
    const log = await createLogger({ level: config.log.level });
    process.exit(await run(config, log, read));
  });
}

/** @throws ConfigError where the daemon would not start, or never reach its broker, with this. */
async function checkStart(config: Config): Promise<void> {
  const trouble = await folderTrouble(config);
  if (trouble !== null) throw new ConfigError(trouble);
  if (config.mqtt.enabled) {
    const { certificates } = await import('../transport/mqtt/client/connect-options.ts');
    await certificates(config).catch(({ message }: Error) => {
      throw new ConfigError(message);
    });
  }
  try {
    const bundle = await loadBundle(config.model.dir);
    await verifyBundle(bundle);
    process.stdout.write(`configuration and model (${bundle.id}) are in order\n`);
  } catch (error) {
    throw new ConfigError(`model.dir: ${(error as Error).message}`);
  }
}

/** What is wrong with `data.dir` or the watch folder and what to do about it; null if nothing is. */
async function folderTrouble(config: Config): Promise<string | null> {
  // Loaded here: a start that goes well does without.
  const { folders } = await import('../doctor/folders.ts');
  try {
    const { status, detail, advice } = await folders.run(config);
    return status === 'fail' ? `${detail} → ${advice}` : null;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * @param read reads the configuration again.
 * @returns the exit code.
 */
async function run(config: Config, log: Logger, read: () => Config): Promise<number> {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error) => {
      log.fatal({ err: error }, 'a fault in the program');
      process.exit(1);
    });
  }
  const began = performance.now();
  deafen(log);
  const signal = stopSignal(log);
  let started = (_daemon: Daemon) => {};
  const up = new Promise<Daemon>((resolve) => {
    started = resolve;
  });
  // On a terminal SIGHUP means that it was closed.
  if (!process.stdout.isTTY) onHangUp(log, config, read, up);
  // Loaded here, so that `retagger --help` does not pay for it.
  const { createDaemon } = await import('../daemon/daemon.ts');
  const daemon = createDaemon(config, log);
  let code = 0;
  try {
    const stopped = await Promise.race([daemon.start(), signal.then(() => 'stopped' as const)]);
    if (stopped === undefined) {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      log.info({ ...addresses(config, daemon.urls), seconds: Number(seconds) }, 'ready');
      if (process.stdout.isTTY) welcome(config, daemon.urls, seconds);
      started(daemon);
    }
    await signal;
  } catch (error) {
    // The system names neither the key nor the cure.
    const trouble = isDiskTrouble(error) || isCode(error, 'EEXIST', 'ENOTDIR');
    const why = (trouble ? await folderTrouble(config) : null) ?? (error as Error).message;
    log.fatal({ err: error }, `cannot start: ${why}`);
    code = 1;
  }
  setTimeout(() => {
    log.error('stopping took too long');
    // `process.exit` would wait for what hangs in the disk.
    process.kill(process.pid, 'SIGKILL');
  }, STOP_MS).unref();
  await daemon.stop();
  if (code === 0) log.info('stopped');
  return code;
}

/**
 * SIGHUP: the configuration is read again; a wrong one changes nothing. One at a time, the first once
 * the daemon is up.
 */
function onHangUp(log: Logger, config: Config, read: () => Config, up: Promise<Daemon>): void {
  let turn: Promise<unknown> = up;
  process.on('SIGHUP', () => {
    turn = turn.then(async () => {
      try {
        const next = read();
        const keys = forNextStart(config, next);
        if (keys.length > 0) log.warn({ keys }, 'these keys change at the next start only');
        await (await up).reload(next);
      } catch (error) {
        if (error instanceof RetaggerError && error.code === 'stopping') return;
        log.error({ reason: (error as Error).message }, 'what was in force stays in force');
      }
    });
  });
}

/**
 * SIGUSR1 would open Node's debugger on a loopback port, where any local user may run code as us;
 * SIGUSR2 would end the process. Both are what scripts for other daemons send to reopen a log.
 */
function deafen(log: Logger): void {
  for (const name of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.on(name, () => log.warn({ signal: name }, 'this signal means nothing here'));
  }
}

/** Resolves at the first SIGTERM or SIGINT; the second one ends the process at once. */
function stopSignal(log: Logger): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    // Signal handlers alone do not keep a process alive.
    setInterval(() => {}, 2 ** 30);
    let first: number | null = null;
    for (const name of ['SIGTERM', 'SIGINT'] as const) {
      process.on(name, () => {
        if (first !== null && performance.now() - first > SAME_SIGNAL_MS) process.exit(1);
        if (first !== null) return;
        first = performance.now();
        log.info({ signal: name }, 'stopping; once more ends at once');
        resolve(name);
      });
    }
  });
}

function addresses(config: Config, urls: Daemon['urls']): Record<string, string> {
  return {
    node: config.node.id,
    ...(config.ingest.watch ? { ingest: config.ingest.dir } : {}),
    ...(urls.http ? { http: urls.http } : {}),
    ...(urls.broker ? { url: urls.broker } : {}),
  };
}

/** For a person at a terminal. */
function welcome(config: Config, urls: Daemon['urls'], seconds: string): void {
  const lines = [`RE-Tagger is ready after ${seconds} s. Ctrl-C stops it.`];
  if (config.ingest.watch) lines.push(`  Drop photos into  ${config.ingest.dir}`);
  if (urls.http) lines.push(`  Web page          ${urls.http}`);
  if (urls.broker) lines.push(`  Results on MQTT   ${urls.broker}  ${config.mqtt.base}/result`);
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
}
