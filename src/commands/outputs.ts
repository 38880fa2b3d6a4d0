import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import { isIn, realPath } from '../files/real-path.ts';
import { isPhoto } from '../training/data/dataset.ts';

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

/**
 * Writes what a flag asked for. Several are written side by side, so that one which fails costs no other.
 * @throws Error that names the flag and the file: the system does not.
 */
export async function writeOutput(
  flag: string,
  file: string | undefined,
  make: () => string | Promise<Buffer>,
): Promise<void> {
  if (file === undefined) return;
  try {
    await writeFile(file, await make());
  } catch (error) {
    throw new Error(`${flag}: ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Whether they lie apart from the labelled photos that are read.
 * @throws ConfigError where one would replace a photo, or be a fault among them the next time.
 */
export function checkApart(
  files: Readonly<Record<string, string | undefined>>,
  data: string,
  labels: readonly string[],
): void {
  for (const [flag, file] of Object.entries(files)) {
    if (file === undefined) continue;
    const besideLabels = realPath(dirname(file)) === realPath(data);
    const amongPhotos = labels.some((label) => isIn(file, join(data, label)));
    if (amongPhotos || (besideLabels && isPhoto(file))) {
      throw new ConfigError(`${flag}: ${file} would lie among the photos of --data ${data}`);
    }
  }
}
