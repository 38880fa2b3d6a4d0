import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder with package.json: above `src`, or above `dist`, where the build decides how deep this lies. */
const root = rootAbove(new URL('./', import.meta.url));

/** @returns the path of a file or folder that comes with this package. */
export const ofPackage = (path: string): string => fileURLToPath(new URL(path, root));

function rootAbove(folder: URL): URL {
  if (existsSync(new URL('package.json', folder))) return folder;
  const above = new URL('../', folder);
  if (above.href === folder.href) throw new Error('this program has lost its package.json');
  return rootAbove(above);
}
