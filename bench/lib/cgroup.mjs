import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** A memory cgroup of its own, version 1 or 2; needs root. */
export function memoryGroup(name, bytes) {
  const v1 = existsSync(join(ROOT, 'memory'));
  const dir = v1 ? join(ROOT, 'memory', name) : join(ROOT, name);
  mkdirSync(dir);
  const write = (file, value) => writeFileSync(join(dir, file), String(value));
  const read = (file) => readFileSync(join(dir, file), 'utf8');
  write(v1 ? 'memory.limit_in_bytes' : 'memory.max', bytes);
  return {
    /** Where a process writes its id to join. */
    tasks: join(dir, 'cgroup.procs'),
    /** Most bytes used, page cache included; it reaches the limit in any program that reads files. */
    peak: () => Number(read(v1 ? 'memory.max_usage_in_bytes' : 'memory.peak')),
    /** Processes ended by the kernel for want of memory. */
    kills: () =>
      Number(/oom_kill (\d+)/.exec(read(v1 ? 'memory.oom_control' : 'memory.events'))?.[1]),
    remove: () => rmdirSync(dir),
  };
}
