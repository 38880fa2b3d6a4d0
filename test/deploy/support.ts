import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A script of this repository. They are JavaScript without types. */
export const script = (name: string) =>
  import(new URL(`../../scripts/${name}`, import.meta.url).href);

/** Writes small files below `dir`, by name; each holds its own name and `text`. */
export async function writeFiles(dir: string, names: readonly string[], text = ''): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), `${name} ${text}`);
  }
}

/** What pins a file: nothing of it is fetched. */
export async function pinOf(file: string) {
  return {
    sha256: createHash('sha256')
      .update(await readFile(file))
      .digest('hex'),
  };
}
