import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder among the temporary files that goes when this process exits, or at `remove`. */
export async function scratchFolder(prefix: string) {
  const path = await mkdtemp(join(tmpdir(), prefix));
  const clear = () => rmSync(path, { recursive: true, force: true });
  process.once('exit', clear);
  const remove = () => {
    process.off('exit', clear);
    clear();
  };
  return { path, remove };
}
