import { stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { ifThere } from '../../files/system-errors.ts';
import type { Logger } from '../../log.ts';
import { disk } from '../disk.ts';
import { decodePath } from '../paths.ts';
import type { FileStore } from '../store.ts';
import type { Originals } from './originals.ts';
import { copyAt, type SpoolEntry, uploadAt } from './spool-entry.ts';
import { originOf, photoOf, readRecord, type SpoolRecord } from './spool-record.ts';

export interface RecoveryParts {
  /** The spool's records; the photos lie beside them. */
  readonly store: FileStore;
  readonly originals: Originals;
  readonly log: Logger;
}

/** What the last run left in the spool. */
export interface Found {
  /** Accepted photos, oldest first. */
  readonly entries: SpoolEntry[];
  /** To be set aside: photos without a record, records that say nothing with what belongs to them. */
  readonly strays: string[];
}

/** What became of a record that makes no entry. */
type Fate = 'filed' | 'left' | 'damaged';

/**
 * Drops what was never accepted and finds what was. An entry that the disk cannot read now stays
 * for the next start.
 */
export async function recover({ store, originals, log }: RecoveryParts): Promise<Found> {
  const keys: string[] = [];
  const others: string[] = [];
  await store.open(
    (key) => keys.push(key),
    (name) => others.push(name),
  );
  const entries: SpoolEntry[] = [];
  const strays: string[] = [];
  const fates = new Map<string, Fate>();
  for (const key of keys) {
    try {
      const found = readRecord(await store.get(key));
      if (found.filed_sha256 !== undefined) {
        fates.set(key, 'filed');
        await originals.recover(key, found, found.filed_sha256);
        continue;
      }
      const entry = await entryOf(key, found, store);
      if (entry !== null) entries.push(entry);
    } catch (error) {
      const isDamaged = error instanceof SyntaxError;
      fates.set(key, isDamaged ? 'damaged' : 'left');
      if (isDamaged) strays.push(join(store.dir, `${key}.json`));
      const what = isDamaged ? 'it is set aside' : 'it stays for the next start';
      log.error({ err: error, key }, `a spool entry cannot be read; ${what}`);
    }
  }
  const used = new Set(entries.map(({ path }) => path));
  for (const path of others.map((name) => join(store.dir, name))) {
    const { name: key, ext } = parse(path);
    const fate = fates.get(key);
    if (used.has(path) || fate === 'left') continue;
    if (ext === '.photo' && fate === 'filed') await disk.remove(path);
    else if (ext === '.photo' || (ext === '.upload' && fate === 'damaged')) strays.push(path);
    else if (ext === '.upload' || ext === '.part') await disk.remove(path);
  }
  const { stuck } = originals;
  if (stuck > 0) log.warn({ photos: stuck }, 'filed before, but their originals stay');
  entries.sort((a, b) => (a.receivedAt < b.receivedAt ? -1 : 1));
  // Of two at one path the younger is what is there now.
  for (const { origin, key } of entries) if (origin) await originals.hold(origin, key);
  return { entries, strays };
}

/**
 * @returns null where nothing is left to do: filed already, or still in the ingest folder.
 * @throws SyntaxError for a record that is none; system errors of the disk.
 */
async function entryOf(
  key: string,
  found: SpoolRecord,
  store: FileStore,
): Promise<SpoolEntry | null> {
  const path = pathOf(key, found, store.dir);
  const stats = await ifThere(stat(path));
  const kept = found.body === 'kept';
  // The sender of a message was promised an answer; a file in the folder is met again.
  if (stats === null && !(kept && found.source === 'mqtt')) {
    await store.remove(key);
    return null;
  }
  // A kept file may have changed since it was taken.
  const size = (kept ? found.size : undefined) ?? stats?.size ?? 1;
  const mtimeMs = (kept ? found.mtime_ms : undefined) ?? stats?.mtimeMs ?? 0;
  const origin = originOf(found);
  return {
    ...photoOf(found),
    ...{ key, durable: true, path, size, mtimeMs, body: found.body, again: true },
    ...(origin ? { origin } : {}),
  };
}

function pathOf(key: string, found: SpoolRecord, dir: string): string {
  if (found.body === 'kept') return String(decodePath(found.path ?? ''));
  return found.body === 'moved' ? copyAt(dir, key) : uploadAt(dir, key);
}
