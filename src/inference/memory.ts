import { readFileSync } from 'node:fs';

/** Resident memory of one process, in bytes. */
export interface Memory {
  readonly total: number;
  /** Without mapped files (program, libraries, weights), which processes share. */
  readonly own: number;
}

/** This process's. Where the kernel does not tell the two apart (not Linux) all counts as its own. */
export function residentMemory(): Memory {
  const total = process.memoryUsage.rss();
  try {
    const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'));
    return { total, own: anonymous ? Number(anonymous[1]) * 1024 : total };
  } catch {
    return { total, own: total };
  }
}
