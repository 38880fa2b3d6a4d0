import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fitName } from '../../files/fit-name.ts';
import { readSmallFile } from '../../files/small-file.ts';
import { disk } from '../disk.ts';
import { linkNew } from './put-photo.ts';
import { isXmpOfOurs, xmpOf } from './xmp.ts';

const XMP = '.xmp';
/** More than one of ours has. */
const XMP_BYTES = 16 * 1024;

/**
 * Writes `NAME.xmp` beside a photo; its folder is not synced. One that is there already may be the user's
 * own, and stays; unless it tells what we said of an earlier photo in that place, word for word.
 * @param key of the photo in the spool. @throws system errors.
 */
export async function putXmp(photo: string, key: string, tag: string): Promise<void> {
  const dir = dirname(photo);
  const draft = join(dir, `.${key}${XMP}.tmp`);
  try {
    await disk.write(draft, xmpOf(tag));
    const sidecar = join(dir, fitName(basename(photo), XMP));
    const isTaken = (await linkNew(draft, sidecar)) === null;
    if (isTaken && (await isOurs(sidecar))) await disk.rename(draft, sidecar);
  } finally {
    // Where it cannot be removed it could not be written, and that tells more.
    await disk.remove(draft).catch(() => {});
  }
}

async function isOurs(xmp: string): Promise<boolean> {
  try {
    const isFile = (await lstat(xmp)).isFile();
    return isFile && isXmpOfOurs(await readSmallFile(xmp, XMP_BYTES));
  } catch {
    return false;
  }
}
