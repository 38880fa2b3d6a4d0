import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { realPath } from '../real-path.ts';

/**
 * Whether the files that a command will write at its end can be written, before it works for
 * minutes, and each on its own.
 * @param files by flag; undefined where it was not given.
 * @throws ConfigError that names the flag.
 */
export async function checkOutputs(
  files: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const taken = new Map<string, string>();
  for (const [flag, file] of Object.entries(files)) {
    if (file === undefined) continue;
    try {
      const real = realPath(file);
      const other = taken.get(real);
      if (other) throw new Error(`${file} is what ${other} writes, too`);
      taken.set(real, flag);
      const there = await stat(file).catch(() => null);
      if (there?.isDirectory()) throw new Error(`${file} is a folder`);
      await access(there ? file : dirname(file), constants.W_OK);
    } catch (error) {
      throw new ConfigError(`${flag}: ${(error as Error).message}`);
    }
  }
}
