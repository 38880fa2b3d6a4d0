import { lstat, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { fitName, NAME_BYTES } from '../../files/fit-name.ts';
import { makeOwnFolder } from '../../files/own-folder.ts';
import { ifThere, isCode } from '../../files/system-errors.ts';
import { tagFolder } from '../../files/tag-folder.ts';
import type { Logger } from '../../log.ts';
import { disk } from '../disk.ts';
import type { HomeDisk } from '../home-disk.ts';
import type { Outcome } from '../ports.ts';
import { SharedRun } from '../shared-run.ts';
import type { SpoolEntry } from '../spool/spool-entry.ts';
import { NextNumbers, numbered, type Place, placeOf, spellings } from './filed-name.ts';
import { linkNew, moveAcross, putPhoto } from './put-photo.ts';
import { putXmp } from './put-xmp.ts';

/** Longest path the kernel takes, in bytes. */
const PATH_BYTES = 4095;
/** So many photos of one name in one folder are numbered; later ones have their own key for a number. */
const MAX_CLASHES = 10_000;

/** What happens to photos of the watch folder. */
export type Ingest = Pick<Config['ingest'], 'after' | 'xmp'>;

/**
 * Where photos go once their outcome is known: `<data.dir>/tagged/<tag>/<sub/path>/NAME` with
 * `NAME.json`, or `<data.dir>/failed/<sub/path>/NAME` with `NAME.error.json`; with `ingest.xmp` also
 * `NAME.xmp` beside the photo, wherever that is.
 *
 * Nothing is ever overwritten: a second NAME becomes NAME-2. The sidecar claims the name, in one
 * atomic step, and is whole when it appears; the photo follows. Filing the same photo again after a
 * crash recognises its own sidecar by the id and goes on where it stopped.
 */
export class Filing {
  readonly #home: HomeDisk;
  /** May change at any time. */
  ingest: Ingest;
  readonly #log: Logger;
  readonly #syncs = new Map<string, SharedRun>();
  readonly #numbers = new NextNumbers();

  constructor(home: HomeDisk, ingest: Ingest, log: Logger) {
    this.#home = home;
    this.ingest = ingest;
    this.#log = log;
  }

  /** Durable when it resolves; the spool's copy is then no longer needed. May be repeated. */
  async file(entry: SpoolEntry, outcome: Outcome): Promise<void> {
    try {
      await this.#file(entry, outcome);
    } catch (error) {
      // The next try must find what this one has placed.
      this.#numbers.clear();
      throw error;
    }
  }

  async #file(entry: SpoolEntry, outcome: Outcome): Promise<void> {
    const moved = entry.body === 'moved' ? entry.path : null;
    // What came as bytes has its answer, and no place that anybody would look in.
    const isFiled = entry.source === 'folder' || moved !== null;
    if (outcome.ok) {
      const { tag } = outcome.result;
      // What has no tag is for a person to look at.
      if (moved !== null && this.ingest.after === 'delete' && tag !== null) return;
      if (!isFiled) return;
      const root = join('tagged', tagFolder(tag));
      const target = await this.#place(root, entry, moved, '.json', outcome.result);
      if (!this.ingest.xmp || tag === null) return;
      if (moved !== null) await this.#describe(target, entry, tag);
      else await this.#describeKept(entry, tag);
      return;
    }
    if (isFiled) {
      await this.#place('failed', entry, moved, '.error.json', outcome.failure);
    } else if (/^worker_/.test(outcome.failure.code)) {
      // What ended the worker is worth a look, wherever it came from.
      const root = join('failed', `_${entry.source}`);
      const copy = entry.body === 'kept' ? null : entry.path;
      await this.#place(root, entry, copy, '.error.json', outcome.failure);
    }
  }

  /** A photo in the spool without its record: never deleted, it may be the user's only copy. */
  async rescue(path: string): Promise<void> {
    const dir = join(this.#home.dir, 'failed/_recovered');
    try {
      await makeOwnFolder(dir);
      let target = join(dir, basename(path));
      for (let n = 2; (await ifThere(lstat(target))) !== null; n++) {
        target = join(dir, numbered(basename(path), n));
      }
      await moveAcross(path, target);
      this.#log.error({ file: target }, 'a photo without its spool entry was set aside');
    } catch (error) {
      this.#log.error({ err: error, file: path }, 'a photo without its spool entry stays there');
    }
  }

  async #describe(photo: string, { key }: SpoolEntry, tag: string): Promise<void> {
    await putXmp(photo, key, tag);
    await this.#sync(dirname(photo));
  }

  /** A folder of the user's own may be read-only, or gone. The result is filed all the same. */
  async #describeKept(entry: SpoolEntry, tag: string): Promise<void> {
    try {
      // What was copied is only known by its copy, which goes.
      if (entry.body !== 'kept') throw new Error('The name of the photo is not UTF-8.');
      await this.#describe(entry.path, entry, tag);
    } catch (err) {
      const { id, file } = entry;
      this.#log.warn({ err, id, file }, 'no XMP sidecar could be written beside the photo');
    }
  }

  /**
   * @param root below `data.dir`.
   * @returns where the photo is, or would be if it had not stayed in its place.
   */
  async #place(
    root: string,
    entry: SpoolEntry,
    photo: string | null,
    suffix: string,
    content: Teller,
  ): Promise<string> {
    let refused: unknown;
    for (const place of spellings({ root, ...placeOf(entry) })) {
      try {
        return await this.#placeAt(place, entry, photo, suffix, content);
      } catch (error) {
        if (!isOfName(error)) throw error;
        refused ??= error;
      }
    }
    throw refused;
  }

  async #placeAt(
    { root, sub, name }: Place,
    entry: SpoolEntry,
    photo: string | null,
    suffix: string,
    content: Teller,
  ): Promise<string> {
    const dir = await this.#folder(join(this.#home.dir, root), sub);
    const draft = join(dir, `.${entry.key}.tmp`);
    let drafted = false;
    try {
      for (let n = entry.again ? 1 : this.#numbers.of(join(dir, name)); ; n++) {
        const number = n > MAX_CLASHES ? entry.key : n;
        if (!drafted) await disk.write(draft, `${JSON.stringify(content, null, 2)}\n`);
        const target = join(dir, numbered(name, number));
        const sidecar = join(dir, fitName(numbered(name, number), suffix));
        const claim = await linkNew(draft, sidecar);
        drafted = claim !== 'renamed';
        const isTaken = claim === null;
        const isOurs = !isTaken || (await tellsOf(sidecar, content));
        const put = async () => photo === null || putPhoto(photo, target, entry, isTaken);
        const isPlaced = isOurs && (await put().catch((error) => this.#unclaim(sidecar, error)));
        if (isPlaced) {
          await this.#sync(dir);
          this.#numbers.took(join(dir, name), n);
          return target;
        }
        if (!isTaken) await disk.remove(sidecar);
        if (number === entry.key) throw new Error(`${target} is there, and another photo`);
      }
    } finally {
      await disk.remove(draft).catch(() => {});
    }
  }

  /** The photo's name is not taken, though its sidecar's is. */
  async #unclaim(sidecar: string, error: unknown): Promise<never> {
    if (isOfName(error)) await disk.remove(sidecar);
    throw error;
  }

  /** Creates `root/sub`; where that is too long or a file is in the way, photos go to `root`. */
  async #folder(root: string, sub: string): Promise<string> {
    await this.#home.check();
    const deep = join(root, sub);
    const fits = Buffer.byteLength(deep) + 1 + NAME_BYTES <= PATH_BYTES;
    return makeDurably(fits ? deep : root).catch((error) => {
      if (!isCode(error, 'EEXIST', 'ENOTDIR', 'ENAMETOOLONG')) throw error;
      return makeDurably(root);
    });
  }

  #sync(dir: string): Promise<void> {
    if (this.#syncs.size > 500) this.#syncs.clear();
    const sync = this.#syncs.get(dir) ?? new SharedRun(() => disk.syncDir(dir));
    this.#syncs.set(dir, sync);
    return sync.run();
  }
}

/** @returns the folder, made with those above it. */
async function makeDurably(dir: string): Promise<string> {
  const created = await makeOwnFolder(dir);
  if (created === undefined) return dir;
  for (let at = dir; at !== dirname(created); at = dirname(at)) await disk.syncDir(dirname(at));
  return dir;
}

/**
 * FAT takes no colon, and without its option "utf8" no umlaut. Of a folder Node says then that it is not
 * there, of a file exfat-fuse does.
 */
const isOfName = (error: unknown): boolean =>
  isCode(error, 'EINVAL', 'EILSEQ') ||
  (isCode(error, 'ENOENT') &&
    /^(mkdir|open)$/.test((error as NodeJS.ErrnoException).syscall ?? ''));

/** What tells whose sidecar it is: a failure has no hash. */
interface Teller {
  readonly id: string;
  readonly sha256?: string;
}

/** Whether a sidecar is about the same photo. Senders may give many photos one id. */
async function tellsOf(sidecar: string, { id, sha256 }: Teller): Promise<boolean> {
  try {
    const told = JSON.parse(await readFile(sidecar, 'utf8')) as Partial<Teller>;
    return told.id === id && told.sha256 === sha256;
  } catch (error) {
    // One of ours can be read, if not at this moment: the photo is not to be filed a second time.
    if (isCode(error, 'EMFILE', 'ENFILE', 'ENOMEM')) throw error;
    return false;
  }
}
