import { access, constants, lstat, stat } from 'node:fs/promises';
import { RetaggerError } from '../../errors.ts';
import { isCode } from '../../files/system-errors.ts';
import { type AnyPath, folderOf, printable } from '../paths.ts';

/**
 * Before anything is written: whether a file may be read, and moved out of its folder.
 * @throws RetaggerError `file_missing`; system errors.
 */
export async function mayTake(file: AnyPath): Promise<void> {
  const folder = folderOf(file);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
    await access(file, constants.R_OK);
  } catch (error) {
    if (!isCode(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    throw notOurs(file, 'its folder is read-only, or the file is', error);
  }
  const me = process.geteuid?.();
  const { mode, uid } = await stat(folder);
  if ((mode & STICKY) === 0 || me === 0 || me === uid) return;
  if (me === (await lstat(file)).uid) return;
  throw notOurs(file, 'in its folder everybody may remove only their own files');
}

/** Of a folder's mode: as in /tmp. */
const STICKY = 0o1000;

function notOurs(file: AnyPath, why: string, error: unknown = new Error(why)): RetaggerError {
  const text = `${printable(file)} cannot be moved: ${why} (ingest.after "keep" leaves files in place).`;
  return new RetaggerError('file_missing', text, { cause: error });
}
