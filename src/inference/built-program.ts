import { existsSync } from 'node:fs';
import { ofPackage } from '../package-root.ts';

/**
 * Path of a program of this folder, for a process or thread of its own. Node runs no TypeScript, so
 * from the sources (tests) it is the built one too.
 * @throws Error where it is not built.
 */
export function builtProgram(name: string): string {
  const path = ofPackage(`dist/inference/${name}`);
  if (!existsSync(path)) throw new Error(`dist/inference/${name} is not built`);
  return path;
}
