import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { type Check, type Finding, fail, mebibytes, ok, warn } from './check.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';
/** What a worker and its parent take with the model loaded; less cannot work. */
const LEAST = 192 * 1024 * 1024;

/** Smallest `memory.max` of this process's cgroup (v2) and those above; Infinity without one. */
export async function cgroupLimit(root = CGROUP_ROOT, self = '/proc/self/cgroup'): Promise<number> {
  const line = /^0::(\/.*)$/m.exec(await readFile(self, 'utf8').catch(() => ''));
  let limit = Number.POSITIVE_INFINITY;
  if (line === null) return limit;
  for (let at = join('/', line[1] as string); ; at = dirname(at)) {
    const text = await readFile(join(root, at, 'memory.max'), 'utf8').catch(() => 'max');
    if (/^\d+\s*$/.test(text)) limit = Math.min(limit, Number(text));
    if (at === '/') return limit;
  }
}

export const memory: Check = {
  name: 'memory',
  run: async ({ limits }) =>
    memoryFinding(Math.min(await cgroupLimit(), knownToNode(), totalmem()), limits.memory_bytes),
};

/** Node knows containers on hosts with cgroups of version 1, but not the limits of those above. */
const knownToNode = (): number => process.constrainedMemory() || Number.POSITIVE_INFINITY;

/** @param limit bytes there are for this service. @param wanted `limits.memory_bytes` */
export function memoryFinding(limit: number, wanted: number): Finding {
  const detail = `${mebibytes(limit)} for this service; limits.memory_bytes is ${mebibytes(wanted)}`;
  if (limit < LEAST)
    return fail(detail, `Give it at least ${mebibytes(LEAST)} (MemoryMax=, a container's limit).`);
  if (limit >= wanted) return ok(detail);
  return warn(
    detail,
    'Set limits.memory_bytes below MemoryMax= (or the limit of the container), so that the daemon acts before the kernel does.',
  );
}
