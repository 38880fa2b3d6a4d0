import { rename, unlink, writeFile } from 'node:fs/promises';
import { syncFolder } from '../files/durable.ts';
import { isCode } from '../files/system-errors.ts';

/**
 * The few disk operations that durability rests on, behind an interface so that the store's tests
 * can cut the power between any two of them.
 */
export interface Disk {
  /** Creates or replaces a file; its bytes (not yet its name) are durable when this resolves. */
  write(path: string, data: string | Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** @returns false where the file was gone already. */
  remove(path: string): Promise<boolean>;
  /** Makes the names in a folder durable. */
  syncDir(path: string): Promise<void>;
}

/** The real disk. */
export const disk: Disk = {
  async write(path, data) {
    const make = () => writeFile(path, data, { mode: 0o640, flush: true, flag: 'wx' });
    try {
      await make();
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      // Not into what is there: in a folder of others it may be a link to any file of ours.
      await disk.remove(path);
      await make();
    }
  },
  rename,
  async remove(path) {
    try {
      await unlink(path);
      return true;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
      return false;
    }
  },
  syncDir: syncFolder,
};
