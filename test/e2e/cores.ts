import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const ROOT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;
let groups = 0;

/**
 * Makes smaller boxes of one machine: a share of one core, by a cgroup of version 1 or 2. Needs root.
 * @param core its number.
 * @param share 0..1
 * @returns what a command must begin with to have no more than that.
 */
export async function partOfCore(core: number, share: number): Promise<string[]> {
  const old = existsSync(join(ROOT, 'cpu'));
  const dir = join(ROOT, old ? 'cpu' : '', `retagger-test-${process.pid}-${groups++}`);
  await mkdir(dir);
  onTestFinished(() => rmdir(dir));
  const quota = Math.round(share * PERIOD_US);
  // Whatever else the machine does, the share is there: first its weight, then its bound.
  await writeFile(join(dir, old ? 'cpu.shares' : 'cpu.weight'), old ? '262144' : '10000');
  if (old) {
    await writeFile(join(dir, 'cpu.cfs_period_us'), `${PERIOD_US}`);
    await writeFile(join(dir, 'cpu.cfs_quota_us'), `${quota}`);
  } else await writeFile(join(dir, 'cpu.max'), `${quota} ${PERIOD_US}`);
  const enter = `echo $$ >${join(dir, 'cgroup.procs')}; exec "$@"`;
  return ['taskset', '-c', `${core}`, 'sh', '-c', enter, 'sh'];
}
