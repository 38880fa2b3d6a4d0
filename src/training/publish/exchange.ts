import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../../files/durable.ts';

/** Files that not every model has, as its plots may fail: one of an older model must not stay. */
const OPTIONAL = ['learning-curve.png', 'confusion.png'];

/**
 * Moves a model's files from `staging`, on the same disk, to `out`. Between the first step and the
 * last `out` has no `model.json`, and so is no model folder: old and new files never pass for one
 * model.
 */
export async function exchange(staging: string, out: string): Promise<void> {
  const names = (await readdir(staging)).filter((name) => name !== 'model.json');
  await syncFolder(staging);
  await rm(join(out, 'model.json'), { force: true });
  await syncFolder(out);
  for (const name of names) await rename(join(staging, name), join(out, name));
  for (const name of OPTIONAL) {
    if (!names.includes(name)) await rm(join(out, name), { force: true });
  }
  await syncFolder(out);
  await rename(join(staging, 'model.json'), join(out, 'model.json'));
  await syncFolder(out);
  await rm(staging, { recursive: true, force: true });
}
