import { readdir, readFile } from 'node:fs/promises';

/** Process ids of `root` and all its descendants, from /proc. */
export async function processTree(root) {
  const parents = new Map();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => null);
    // The command name is in parentheses and may hold spaces: fields count from the last one.
    if (stat)
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const tree = [root];
  for (const pid of tree) {
    for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  }
  return tree;
}

/** Proportional set size of one process in MiB; 0 where it has ended. */
export async function pss(pid) {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** Proportional set size of the whole tree in MiB: shared pages are counted once. */
export async function treePss(root) {
  const parts = await Promise.all((await processTree(root)).map(pss));
  return parts.reduce((sum, part) => sum + part, 0);
}
