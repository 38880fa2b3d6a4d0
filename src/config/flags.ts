import { type Command, Option } from 'commander';
import { CONFIG_KEYS } from './keys.ts';
import { type ConfigSources, loadConfig } from './load.ts';
import type { Config } from './schema.ts';

/** Adds `--config` and a flag for each of these configuration keys; default all. */
export function addConfigFlags(command: Command, wanted?: readonly string[]): Command {
  command.option('--config <file>', 'YAML file; default: /etc/retagger/config.yaml if there');
  for (const key of CONFIG_KEYS) {
    if (wanted && !wanted.includes(key.path)) continue;
    const shown = key.schema.default;
    const suffix = shown === undefined ? '' : ` (default: ${JSON.stringify(shown)})`;
    command.addOption(new Option(`${key.flag} <value>`, `${key.description}${suffix}`));
  }
  return command;
}

/**
 * The configuration for a command that `addConfigFlags` prepared.
 * @param more `tolerant` for a command that any user may run and that opens no door.
 * @throws ConfigError
 */
export function configFrom(command: Command, more: Pick<ConfigSources, 'tolerant'> = {}): Config {
  const options = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string> = {};
  for (const { flag } of CONFIG_KEYS) {
    const value = options[new Option(flag).attributeName()];
    if (value !== undefined) flags[flag.slice(2)] = value;
  }
  return loadConfig({ flags, ...more, ...(options.config ? { file: options.config } : {}) });
}
