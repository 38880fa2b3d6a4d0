import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Disk, disk } from '../../src/daemon/disk.ts';
import { HomeDisk } from '../../src/daemon/home-disk.ts';
import { FileStore, type StoreOptions } from '../../src/daemon/store.ts';
import { holds } from '../property.ts';
import { openBelow, syncedPaths, temporaryDir } from './support.ts';

const storeAt = (dir: string, options: StoreOptions) =>
  new FileStore(new HomeDisk(dirname(dir)), basename(dir), options);

/** Thrown where the power went. */
class PowerCut extends Error {}

/**
 * The real disk with a plug to pull: after `budget` operations every further one throws, and
 * `settle` then undoes what a power cut may undo: names that were changed since the last sync of
 * the folder (from the newest back, as a journal does), and bytes of a file being written.
 */
class PluggedDisk implements Disk {
  budget: number;
  readonly #undo: (() => Promise<void>)[] = [];

  constructor(budget: number) {
    this.budget = budget;
  }

  async write(path: string, data: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(data);
    if (this.budget === 0) {
      // In the middle of the write: any part of it may be there.
      this.budget = -1;
      await writeFile(path, bytes.subarray(0, bytes.length >> 1));
    }
    this.#spend();
    await disk.write(path, data);
    this.#undo.push(() => unlink(path).catch(() => {}));
  }

  async rename(from: string, to: string): Promise<void> {
    this.#spend();
    const before = await readFile(to).catch(() => null);
    const bytes = await readFile(from);
    await rename(from, to);
    this.#undo.push(async () => {
      await writeFile(from, bytes);
      if (before === null) await unlink(to).catch(() => {});
      else await writeFile(to, before);
    });
  }

  async remove(path: string): Promise<boolean> {
    this.#spend();
    const before = await readFile(path).catch(() => null);
    const there = await disk.remove(path);
    if (before !== null) this.#undo.push(() => writeFile(path, before));
    return there;
  }

  async syncDir(path: string): Promise<void> {
    this.#spend();
    await disk.syncDir(path);
    this.#undo.length = 0;
  }

  /** @param lost how many of the unsynced operations did not reach the disk. */
  async settle(lost: number): Promise<void> {
    for (const undo of this.#undo.reverse().slice(0, lost)) await undo();
  }

  #spend(): void {
    if (this.budget <= 0) throw new PowerCut();
    this.budget -= 1;
  }
}

const key = fc.constantFrom('a', 'b', 'c');
const step = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key, value: fc.string({ maxLength: 200 }) }),
  fc.record({ kind: fc.constant('remove' as const), key }),
  fc.record({ kind: fc.constant('sync' as const) }),
);

async function contents(store: FileStore): Promise<Map<string, unknown>> {
  const keys: string[] = [];
  await store.open((found) => keys.push(found));
  const found = new Map<string, unknown>();
  for (const each of keys) found.set(each, await store.get(each));
  return found;
}

test('after a power cut at any point every entry is whole, and none that was put is gone', async () => {
  const root = await temporaryDir();
  let run = 0;
  await holds(
    'store',
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 8 }),
      async (steps, budget, lost) => {
        const dir = join(root, String(run++));
        const plugged = new PluggedDisk(Number.POSITIVE_INFINITY);
        const store = storeAt(dir, { maxEntryBytes: 1000, disk: plugged });
        await store.open(() => {});
        plugged.budget = budget;
        // What each key may hold after the cut: the last durable state and everything since.
        const allowed = new Map<string, Set<string | null>>();
        for (const name of ['a', 'b', 'c']) allowed.set(name, new Set([null]));
        const durable = () => {
          for (const [name, values] of allowed) {
            allowed.set(name, new Set([[...values].at(-1) ?? null]));
          }
        };
        const noteLast = (name: string, value: string | null) => {
          const values = allowed.get(name) as Set<string | null>;
          values.delete(value);
          values.add(value);
        };
        try {
          for (const each of steps) {
            if (each.kind === 'put') {
              noteLast(each.key, each.value);
              await store.put(each.key, each.value);
              durable();
            } else if (each.kind === 'remove') {
              noteLast(each.key, null);
              await store.remove(each.key);
            } else {
              await store.sync();
              durable();
            }
          }
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        await plugged.settle(lost);

        const found = await contents(storeAt(dir, { maxEntryBytes: 1000 }));
        for (const [name, values] of allowed) {
          expect([...values]).toContain(found.has(name) ? found.get(name) : null);
        }
        const files = await readdir(dir);
        expect(files.filter((name) => !name.endsWith('.json'))).toEqual([]);
      },
    ),
    300,
  );
});

describe('a store', () => {
  test('keeps entries as readable files and gives them back', async () => {
    const dir = join(await temporaryDir(), 'sub/store');
    const store = storeAt(dir, { maxEntryBytes: 100 });
    await store.open(() => {});
    await store.put('k-1', { x: 'ü' });
    expect(JSON.parse(await readFile(join(dir, 'k-1.json'), 'utf8'))).toEqual({ x: 'ü' });
    expect(await store.get('k-1')).toEqual({ x: 'ü' });
    expect(await store.remove('k-1')).toBe(true);
    expect(await store.remove('k-1')).toBe(false);
    expect(await store.get('k-1')).toBeNull();
  });

  test('syncs an entry before it has its name, and then its folder', async () => {
    const store = storeAt(await temporaryDir(), { maxEntryBytes: 100 });
    const synced = await syncedPaths();
    await store.put('k', 1);
    expect([...synced]).toEqual([join(store.dir, 'k.0.tmp'), store.dir]);
    expect(await openBelow(store.dir)).toEqual([]);
  });

  test('refuses an entry over its size and a key that is a path', async () => {
    const store = storeAt(await temporaryDir(), { maxEntryBytes: 10 });
    await store.open(() => {});
    await expect(store.put('k', 'x'.repeat(20))).rejects.toThrow(RangeError);
    await expect(store.put('../k', 1)).rejects.toThrow(RangeError);
    expect(await readdir(store.dir)).toEqual([]);
  });

  test('is made anew where somebody removed its folder', async () => {
    const dir = join(await temporaryDir(), 'store');
    const store = storeAt(dir, { maxEntryBytes: 100 });
    await store.put('k', 1);
    expect(await store.get('k')).toBe(1);
  });

  test('tells of files that are not its own and leaves them', async () => {
    const dir = await temporaryDir();
    await writeFile(join(dir, 'k.photo'), 'bytes');
    await writeFile(join(dir, 'k.3.tmp'), 'torn');
    await writeFile(join(dir, '..json'), '1');
    const keys: string[] = [];
    const others: string[] = [];
    const store = storeAt(dir, { maxEntryBytes: 100 });
    await store.open(
      (found) => keys.push(found),
      (name) => others.push(name),
    );
    expect(keys).toEqual([]);
    expect(others.sort()).toEqual(['..json', 'k.photo']);
    expect((await readdir(dir)).sort()).toEqual(['..json', 'k.photo']);
  });

  test("passes over somebody's folders, whatever they are called", async () => {
    const dir = await temporaryDir();
    const names = ['k.1.tmp', 'k.json', 'k.upload'];
    for (const name of names) await mkdir(join(dir, name));
    const found: string[] = [];
    const store = storeAt(dir, { maxEntryBytes: 100 });
    const note = (name: string) => found.push(name);
    await store.open(note, note);
    expect(found).toEqual([]);
    expect((await readdir(dir)).sort()).toEqual(names);
  });
});

describe('a disk', () => {
  test('says so where a file cannot be removed', async () => {
    await expect(disk.remove(await temporaryDir())).rejects.toThrow();
  });

  test('that can sync no folder is as good as one that can; a folder that is gone is not', async () => {
    await expect(disk.syncDir('/proc')).resolves.toBeUndefined();
    await expect(disk.syncDir(join(await temporaryDir(), 'gone'))).rejects.toThrow('ENOENT');
  });
});

test('an entry that is larger than any of ours, or no file, is damaged: it is not read, nor waited for', async () => {
  const dir = await temporaryDir();
  const store = storeAt(dir, { maxEntryBytes: 100 });
  await store.put('a', 'x'.repeat(98));
  expect(await store.get('a')).toHaveLength(98);
  await writeFile(join(dir, 'large.json'), JSON.stringify('x'.repeat(99)));
  execFileSync('mkfifo', [join(dir, 'pipe.json')]);
  for (const key of ['large', 'pipe']) {
    await expect(store.get(key)).rejects.toBeInstanceOf(SyntaxError);
    await store.setAside(key);
  }
  expect((await readdir(dir)).sort()).toEqual(['a.json', 'large.bad', 'pipe.bad']);
});
