import type { Config } from '../config/schema.ts';
import { broker } from './broker.ts';
import { type Check, type Finding, fail } from './check.ts';
import { clock } from './clock.ts';
import { disk } from './disk.ts';
import { engine } from './engine.ts';
import { fileSystem } from './file-system.ts';
import { folders } from './folders.ts';
import { inotify } from './inotify.ts';
import { jpeg } from './jpeg.ts';
import { memory } from './memory.ts';
import { model } from './model.ts';
import { nodeVersion } from './node-version.ts';
import { port } from './port.ts';

/** In the order they are shown: what everything else rests on comes first. */
export const CHECKS: readonly Check[] = [
  ...[nodeVersion, model, engine, jpeg, folders, fileSystem, disk],
  ...[memory, inotify, clock, port, broker],
];

/** `--startup`: quick, and failing only where the daemon cannot run. */
export const STARTUP_CHECKS: readonly Check[] = [nodeVersion, model, folders];

export interface NamedFinding extends Finding {
  readonly check: string;
}

/** Runs the checks one after the other; one that throws is a failed finding and stops no other. */
export async function* examine(
  config: Config,
  checks: readonly Check[] = CHECKS,
): AsyncGenerator<NamedFinding> {
  for (const check of checks) {
    let finding: Finding;
    try {
      finding = await check.run(config);
    } catch (error) {
      finding = fail((error as Error).message, 'Mend what the message names, then try again.');
    }
    yield { check: check.name, ...finding };
  }
}
