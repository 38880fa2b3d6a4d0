import { readFileSync } from 'node:fs';

/** Resident memory of one process, in bytes. */
export interface Memory {
  readonly total: number;
  /** Without mapped files (program, libraries, weights), which processes share. */
  readonly own: number;
}

/** As the kernel tells both, one below the other. */
const BOTH = /^VmRSS:\s+(\d+) kB\nRssAnon:\s+(\d+) kB$/m;

/** null for a process that is gone. Linux only. */
export function memoryOf(pid: number): Memory | null {
  try {
    // As UTF-8 Node reads it in one go, without a buffer of 64 kB for every photo.
    const found = BOTH.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found && { total: Number(found[1]) * 1024, own: Number(found[2]) * 1024 };
  } catch {
    return null;
  }
}

/** Bytes that processes of the same program take: files all have mapped are in memory once. */
export const together = (processes: readonly Memory[]): number =>
  processes.reduce((sum, { own }) => sum + own, 0) +
  Math.max(0, ...processes.map(({ total, own }) => total - own));
