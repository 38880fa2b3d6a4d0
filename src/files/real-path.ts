import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

/** Links followed, as far as there is something. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** Whether a folder is another or lies in it, links followed. */
export const isIn = (child: string, parent: string): boolean =>
  !/^\.\.(\/|$)/.test(relative(realPath(parent), realPath(child)));

/** Whether one folder is the other or lies in it, links followed. */
export const overlap = (a: string, b: string): boolean => isIn(a, b) || isIn(b, a);
