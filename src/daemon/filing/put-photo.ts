import { copyFile, link, lstat, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFile } from '../../files/durable.ts';
import { sha256OfFile } from '../../files/file-hash.ts';
import { ifThere, isCode } from '../../files/system-errors.ts';
import { disk } from '../disk.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';

/** How a file gets its place for good, and never another's. */

/** FAT, some network shares. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

/** Gives `from` the name `to`, beside its own or instead of it; null where `to` is taken. */
export async function linkNew(from: string, to: string): Promise<'linked' | 'renamed' | null> {
  try {
    await link(from, to);
    return 'linked';
  } catch (error) {
    if (isCode(error, 'EEXIST')) return null;
    if (!isCode(error, ...NO_LINKS)) throw error;
  }
  // No hard links here: claim the name with an empty file instead.
  try {
    await (await open(to, 'wx')).close();
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    return null;
  }
  await rename(from, to);
  return 'renamed';
}

/**
 * @param before the sidecar was there already, with this photo's id.
 * @returns false where another photo has the name.
 */
export async function putPhoto(
  photo: string,
  target: string,
  entry: SpoolEntry,
  before: boolean,
): Promise<boolean> {
  const copy = join(dirname(target), `.${entry.key}.part`);
  if (before) {
    // From before a crash.
    await disk.remove(copy);
    const [ours, there] = await Promise.all([ifThere(lstat(photo)), ifThere(lstat(target))]);
    // Renamed, where it could not be linked, before what came after that failed.
    if (ours === null && there !== null && there.size > 0) return true;
    if (ours === null) throw new Error(`${photo} is gone, and not at ${target}`);
    // From before a crash: the photo itself under its second name, or the empty claim on a name.
    if (there?.ino === ours.ino && there.dev === ours.dev) return true;
    if (there?.size === 0) {
      await moveAcross(photo, target);
      return true;
    }
    // Its copy: made where that is another disk, or the photo was taken in once more.
    if (there?.size === ours.size && (await sameBytes(photo, target))) return true;
  }
  try {
    // While its original is there its copy in the spool is needed: it is linked, not renamed.
    if (!entry.origin) return (await linkNew(photo, target)) !== null;
    return await link(photo, target).then(() => true);
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    if (!isCode(error, 'EXDEV') && !(entry.origin && isCode(error, ...NO_LINKS))) throw error;
  }
  await copyDurably(photo, copy);
  try {
    return (await linkNew(copy, target)) !== null;
  } finally {
    await disk.remove(copy);
  }
}

const sameBytes = async (a: string, b: string): Promise<boolean> =>
  (await sha256OfFile(a)) === (await sha256OfFile(b));

/** An older file at `to` is replaced. */
async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await syncFile(to);
}

/** Renames, or copies and deletes where that is another file system. */
export async function moveAcross(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isCode(error, 'EXDEV')) throw error;
    await copyDurably(from, to);
    await disk.syncDir(dirname(to));
    await disk.remove(from);
  }
}
