import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from './supervision.ts';

/**
 * The worker did not start, or was sent SIGKILL while it loaded, and not by us: the kernel is short of
 * memory or processes, or it was a person.
 */
export class WorkerKilled extends Error {}

/** After so many it is more than bad luck, and another engine may need less memory. */
const TRIES = 5;

/**
 * Loads a worker, and again where it is killed from outside: that says nothing about its engine.
 * @throws what `attempt` throws otherwise, or WorkerKilled for the last of five tries.
 */
export async function whileKilled<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof WorkerKilled) || tries === TRIES) throw error;
    }
    await sleep(backoffMs(tries));
  }
}
