import { type FSWatcher, watch } from 'node:fs';

/** Folders watched at once; below what kernels allow by default. */
const MAX_FOLDERS = 8000;

/** What the kernel's refusals mean, and who can change it. */
const REFUSALS: Readonly<Record<string, string>> = {
  ENOSPC: 'fs.inotify.max_user_watches is reached; raise it with sysctl -w and in /etc/sysctl.d/',
  EMFILE: 'fs.inotify.max_user_instances is reached; raise it with sysctl -w and in /etc/sysctl.d/',
};

/**
 * Kernel notices for folders. One inotify watch a folder and none a file: a folder's watch tells of
 * every change in it, so 100,000 photos cost as many watches as one. Notices are hints: they may be
 * missing (network file systems, a full kernel queue), and the rescan makes up for it.
 */
export class Watcher {
  readonly #hint: (folder: Buffer, name: Buffer) => void;
  readonly #watches = new Map<string, FSWatcher>();
  #fault: string | null = null;
  /** The same, of the scan that is going on. */
  #refused: string | null = null;

  /** @param hint told of every name that changed in a watched folder. */
  constructor(hint: (folder: Buffer, name: Buffer) => void) {
    this.#hint = hint;
  }

  get folders(): number {
    return this.#watches.size;
  }

  /** Why some folder is found by rescans alone; null where all are watched. */
  get fault(): string | null {
    return this.#fault;
  }

  /** A scan of all folders begins. */
  beginScan(): void {
    this.#refused = null;
  }

  /** It has met every folder: what it could watch again is no fault any more. */
  endScan(): void {
    this.#fault = this.#refused;
  }

  /** Does nothing for a folder that is watched already. */
  add(folder: Buffer): void {
    const key = folder.toString('latin1');
    if (this.#watches.has(key)) return;
    if (this.#watches.size >= MAX_FOLDERS) {
      this.#refuse(`more than ${MAX_FOLDERS} folders`);
      return;
    }
    try {
      const parts = folder.lastIndexOf('/');
      const [parent, own] = [folder.subarray(0, parts), folder.subarray(parts + 1)];
      const watcher = watch(folder, { encoding: 'buffer' }, (_event, name) => {
        if (name === null) return;
        if (!name.equals(own)) {
          this.#hint(folder, name);
          return;
        }
        // The kernel's word for the folder itself, unless a child has its name: it may have ended,
        // another one be in its place, and this watch would not tell of it. It is walked anew, which
        // meets the child too.
        this.remove(folder);
        this.#hint(parent, own);
      });
      // A folder that goes away; its end is noticed by the scan too.
      watcher.on('error', () => this.remove(folder));
      this.#watches.set(key, watcher);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return;
      this.#refuse(REFUSALS[code ?? ''] ?? String(code ?? error));
    }
  }

  /** Stops watching a folder and everything below it. */
  remove(folder: Buffer): void {
    const key = folder.toString('latin1');
    for (const [path, watcher] of this.#watches) {
      if (path !== key && !path.startsWith(`${key}/`)) continue;
      watcher.close();
      this.#watches.delete(path);
    }
  }

  has(folder: Buffer): boolean {
    return this.#watches.has(folder.toString('latin1'));
  }

  clear(): void {
    for (const watcher of this.#watches.values()) watcher.close();
    this.#watches.clear();
    this.#fault = null;
    this.#refused = null;
  }

  #refuse(why: string): void {
    this.#fault = why;
    this.#refused = why;
  }
}
