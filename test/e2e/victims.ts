import { readdirSync, readFileSync } from 'node:fs';

/** Mulberry32: the same seed makes the same plan. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Process ids of a process's children, from /proc. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        const stat = readFileSync(`/proc/${child}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false; // it has ended meanwhile
      }
    });
}

/** Kills one of the workers, if there is one. */
export function killWorker(pid: number, next: () => number): boolean {
  const workers = childrenOf(pid);
  const victim = workers[Math.floor(next() * workers.length)];
  if (victim === undefined) return false;
  try {
    return process.kill(victim, 'SIGKILL');
  } catch {
    return false;
  }
}
