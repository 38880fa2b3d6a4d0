import { constants } from 'node:fs';
import { access, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { checkFolders, OWN_FOLDERS } from '../config/folders.ts';
import { isCode } from '../files/system-errors.ts';
import { type Check, type Finding, fail, ok } from './check.ts';

const { R_OK, W_OK, X_OK } = constants;

/** The folder itself, or the nearest one above it that exists for all we may see. */
export async function existing(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    try {
      await stat(at);
      return at;
    } catch (error) {
      if (!isCode(error, 'ENOENT', 'EACCES') || at === dirname(at)) throw error;
    }
  }
}

/** @param code of the system's refusal to give access. */
export function refused(at: string, code: string | undefined): Finding {
  if (code === 'EROFS') {
    return fail(
      `${at}: the file system is read-only`,
      'Under systemd name it in ReadWritePaths= (see ingest-folder.conf); else remount it rw.',
    );
  }
  return fail(
    `${at}: no right to read and write`,
    `Give it to the daemon's user (uid ${process.getuid?.()}), for example: chgrp retagger "${at}" && chmod g+rwxs "${at}"`,
  );
}

const isRefused = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => false,
    (error) => isCode(error, 'EACCES'),
  );

/** The folder, links followed, that we may not enter and a path lies in; null if there is none. */
async function barrier(path: string): Promise<string | null> {
  if (!(await isRefused(stat(path)))) return null;
  const above = dirname(path);
  const further = await barrier(above);
  if (further !== null) return further;
  if (await isRefused(access(above, X_OK))) return above;
  return barrier(resolve(await realpath(above), await readlink(path)));
}

/** @param key of the path that lies in a folder which may not be entered. */
function barred(key: string, path: string, at: string): Finding {
  const systemd = /^\/(home|root)(\/|$)/.test(at) ? ' (under systemd also ProtectHome=false)' : '';
  return fail(
    `${at}: no right to enter it, and ${key} "${path}" lies there`,
    `Set ${key} to a folder elsewhere, or let the daemon's user (uid ${process.getuid?.()}) enter it, for example: chmod o+x "${at}"${systemd}`,
  );
}

async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(path, name));
}

export const folders: Check = {
  name: 'folders',
  async run(config) {
    const { data, ingest } = config;
    const paths = { 'data.dir': data.dir, ...(ingest.watch ? { 'ingest.dir': ingest.dir } : {}) };
    for (const [key, path] of Object.entries(paths)) {
      const shut = await barrier(path);
      if (shut !== null) return barred(key, path, shut);
      const at = await existing(path);
      if (!(await stat(at)).isDirectory()) {
        return fail(`${at} is not a folder`, 'Move that file away, or choose another folder.');
      }
      const keep = path === ingest.dir && at === path && ingest.after === 'keep';
      try {
        await access(at, R_OK | X_OK | (keep ? 0 : W_OK));
      } catch (error) {
        return refused(at, (error as NodeJS.ErrnoException).code);
      }
    }
    const tagged = join(data.dir, 'tagged');
    const own = OWN_FOLDERS.map((name) => join(data.dir, name));
    // A daemon that another user ran may have left some to that one.
    for (const folder of [...own, ...(await foldersIn(tagged))]) {
      try {
        await access(folder, R_OK | W_OK | X_OK);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT') return refused(folder, code);
      }
    }
    try {
      checkFolders(config);
    } catch (error) {
      return fail((error as Error).message, 'Choose another watch folder.');
    }
    return ok(Object.values(paths).join(' and '));
  },
};
