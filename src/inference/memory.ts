import { openSync, readFileSync, readSync } from 'node:fs';

/** Resident memory of one process, in bytes. */
export interface Memory {
  readonly total: number;
  /** Without mapped files (program, libraries, weights), which processes share. */
  readonly own: number;
}

/** As the kernel tells both, one below the other. */
const BOTH = /^VmRSS:\s+(\d+) kB\nRssAnon:\s+(\d+) kB$/m;

/** This process's. Elsewhere than on Linux all counts as its own. */
export function residentMemory(): Memory {
  const found = memoryIn(ownStatus());
  if (found) return found;
  const total = process.memoryUsage.rss();
  return { total, own: total };
}

/** Any process's; null for one that is gone. Linux only. */
export const memoryOf = (pid: number): Memory | null => memoryIn(status(pid));

function memoryIn(text: string): Memory | null {
  const found = BOTH.exec(text);
  return found && { total: Number(found[1]) * 1024, own: Number(found[2]) * 1024 };
}

/** Bytes that processes of the same program take: files all have mapped are in memory once. */
export const together = (processes: readonly Memory[]): number =>
  processes.reduce((sum, { own }) => sum + own, 0) +
  Math.max(0, ...processes.map(({ total, own }) => total - own));

function status(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return '';
  }
}

/** Room for the groups of a user in a thousand of them, which come first. */
const buffer = Buffer.alloc(16 * 1024);
/** Stays open: a worker asks after every photo, and opening takes three times as long as reading. */
let ownFile: number | undefined;

function ownStatus(): string {
  try {
    ownFile ??= openSync('/proc/self/status', 'r');
    return buffer.toString('latin1', 0, readSync(ownFile, buffer, 0, buffer.length, 0));
  } catch {
    return '';
  }
}
