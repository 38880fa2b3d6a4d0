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

/** Whether one folder is the other or lies in it, links followed. */
export function overlap(a: string, b: string): boolean {
  const inside = (child: string, parent: string) => !/^\.\.(\/|$)/.test(relative(parent, child));
  const [x, y] = [realPath(a), realPath(b)];
  return inside(x, y) || inside(y, x);
}
