import { readFileSync } from 'node:fs';

/** Resident memory of one process, in bytes. */
export interface Memory {
  readonly total: number;
  /** Without mapped files (program, libraries, weights), which processes share. */
  readonly own: number;
}

/** As the kernel tells both, one below the other. */
const BOTH = /^VmRSS:\s+(\d+) kB\nRssAnon:\s+(\d+) kB$/m;

/** This process's, in one read. Elsewhere than on Linux all counts as its own. */
export function residentMemory(): Memory {
  const found = BOTH.exec(status());
  if (found) return { total: Number(found[1]) * 1024, own: Number(found[2]) * 1024 };
  const total = process.memoryUsage.rss();
  return { total, own: total };
}

function status(): string {
  try {
    return readFileSync('/proc/self/status', 'latin1');
  } catch {
    return '';
  }
}
