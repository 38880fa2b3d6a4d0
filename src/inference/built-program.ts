import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Path of a program beside this file, for a process or thread of its own. Node runs no TypeScript, so
 * from the sources (tests) it is the built one.
 * @throws Error where it is not built.
 */
export function builtProgram(name: string): string {
  const found = [name, `../../dist/inference/${name}`]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find(existsSync);
  if (found === undefined) throw new Error(`dist/inference/${name} is not built`);
  return found;
}
