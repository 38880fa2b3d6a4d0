import { resolve } from 'node:path';
import { ConfigError } from './config-error.ts';

/**
 * A path of the configuration, absolute.
 * @param origin where it was given, for the message.
 * @throws ConfigError for one that would not mean what it says.
 */
export function absolute(cwd: string, path: string, origin: string): string {
  const wrong = (why: string) =>
    new ConfigError(`${origin}: ${JSON.stringify(path)} is not allowed; ${why}`);
  if (/^~(\/|$)/.test(path)) throw wrong('only a shell replaces "~": write the whole path');
  if (path.includes('\0')) throw wrong('no path has a zero byte in it');
  return resolve(cwd, path);
}
