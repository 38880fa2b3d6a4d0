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
export function configFrom(
  command: Command,
  more: Pick<ConfigSources, 'env' | 'tolerant'> = {},
): Config {
  const options = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string> = {};
  for (const option of command.options) {
    const value = options[option.attributeName()];
    const name = option.long?.slice(2) ?? '';
    if (value !== undefined && CONFIG_KEYS.some((key) => key.flag === `--${name}`)) {
      flags[name] = value;
    }
  }
  return loadConfig({ flags, ...more, ...(options.config ? { file: options.config } : {}) });
}
