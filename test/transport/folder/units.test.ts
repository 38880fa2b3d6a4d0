import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { Logger } from '../../../src/log.ts';
import { Ledger } from '../../../src/transport/folder/ledger.ts';
import { isIgnoredFile, isIgnoredFolder } from '../../../src/transport/folder/names.ts';
import { OnceLog } from '../../../src/transport/folder/once-log.ts';
import { ScanPause } from '../../../src/transport/folder/scan-pause.ts';
import { Settle } from '../../../src/transport/folder/settle.ts';
import { silent, temporaryDir } from '../../daemon/support.ts';

const sight = (size: number, mtimeMs: number, ino = 1) => ({
  ...{ size, mtimeMs, ino },
  birthtimeMs: 0,
});

describe('settle', () => {
  test('takes what was moved in at once, and what is new after its settle time', () => {
    const settle = new Settle(300, 10);
    expect(settle.look('moved', sight(5, 1000), 2000, 0)).toBe(0);
    expect(settle.look('new', sight(5, 2000), 2000, 0)).toBe(100);
    expect(settle.look('new', sight(5, 2000), 2200, 200)).toBe(100);
    expect(settle.look('new', sight(5, 2000), 2300, 300)).toBe(0);
  });

  test('waits for what was only just made, whatever time its copier gave it', () => {
    const settle = new Settle(300, 10);
    const copied = { ...sight(5, 1000), birthtimeMs: 1900 };
    expect(settle.look('a', copied, 2000, 0)).toBeGreaterThan(0);
    expect(settle.look('a', copied, 2300, 300)).toBe(0);
    expect(settle.look('b', copied, 2200, 0)).toBe(0);
  });

  test('begins anew with every change of size, time or inode', () => {
    const settle = new Settle(300, 10);
    settle.look('a', sight(5, 2000), 2000, 0);
    expect(settle.look('a', sight(6, 2000), 2250, 250)).toBeGreaterThan(0);
    expect(settle.look('a', sight(6, 2001), 2500, 500)).toBeGreaterThan(0);
    expect(settle.look('a', sight(6, 2001, 2), 2750, 750)).toBeGreaterThan(0);
    expect(settle.look('a', sight(6, 2001, 2), 3040, 1040)).toBeGreaterThan(0);
    expect(settle.look('a', sight(6, 2001, 2), 3050, 1050)).toBe(0);
  });

  test('goes by its own clock where the file system has another', () => {
    const settle = new Settle(300, 10);
    const tomorrow = sight(5, 90_000_000);
    expect(settle.look('a', tomorrow, 2000, 0)).toBeGreaterThan(0);
    expect(settle.look('a', tomorrow, 2300, 300)).toBe(0);
  });

  test('waits longer for an empty file, however old, and not at all with no settle time', () => {
    const settle = new Settle(300, 10);
    expect(settle.look('a', sight(0, 0), 100_000, 0)).toBeGreaterThan(0);
    expect(settle.look('a', sight(0, 0), 102_900, 2900)).toBeGreaterThan(0);
    expect(settle.look('a', sight(0, 0), 103_000, 3000)).toBe(0);
    expect(new Settle(0, 10).look('b', sight(5, 2000), 2000, 0)).toBe(0);
  });

  test('watches a bounded number of files', () => {
    const settle = new Settle(300, 2);
    for (const name of ['a', 'b']) settle.look(name, sight(1, 2000), 2000, 0);
    expect(settle.full).toBe(true);
    settle.forget('a');
    expect(settle.full).toBe(false);
  });
});

test('names that are left alone', () => {
  const files = ['.x', 'a.part', 'a.TMP', 'a.jpg.crdownload', 'a~', '.a.jpg.Ab12Cd', '~$a.jpg'];
  // exiftool, Resilio, µTorrent and qBittorrent, GNOME, Syncthing.
  const others = ['a.jpg_exiftool_tmp', 'a.jpg.!sync', 'a.jpg.!ut', 'a.jpg.!qB', 'a.jpg.partial~'];
  const more = ['~syncthing~a.jpg.tmp', 'Thumbs.db', 'desktop.ini', 'a.jpg.XMP', 'a.jpg.json'];
  for (const name of [...files, ...others, ...more]) expect(isIgnoredFile(name)).toBe(true);
  const taken = ['a.jpg', 'a', 'party', 'a.part.jpg', 'b.tmpl', '~a.jpg', 'Thumbs.db.jpg'];
  for (const name of [...taken, 'wow!.jpg', 'a.!2024', 'a_exiftool_tmp.jpg']) {
    expect(isIgnoredFile(name)).toBe(false);
  }
  for (const name of ['.git', '@eaDir', '$RECYCLE.BIN']) expect(isIgnoredFolder(name)).toBe(true);
  for (const name of ['photos', 'a.tmp']) expect(isIgnoredFolder(name)).toBe(false);
});

describe('the ledger of kept photos', () => {
  const id = (n: number) => n.toString(16).padStart(32, '0');

  test('remembers over a restart, and a torn line costs one photo at most', async () => {
    const path = join(await temporaryDir(), 'kept.ledger');
    const first = new Ledger(path, silent);
    await first.load();
    for (const n of [1, 2]) first.add(id(n));
    await first.flush();
    await appendFile(path, id(3).slice(0, 10));
    const second = new Ledger(path, silent);
    await second.load();
    second.add(id(4));
    await second.flush();
    const third = new Ledger(path, silent);
    await third.load();
    expect([1, 2, 3, 4].map((n) => third.has(id(n)))).toEqual([true, true, false, true]);
  });

  /** A ledger of 2,000 photos after scans that met only one of them. */
  async function scanned(limit: number, files: number) {
    const path = join(await temporaryDir(), 'kept.ledger');
    const ledger = new Ledger(path, silent, limit);
    for (let n = 0; n < 2000; n++) ledger.add(id(n));
    await ledger.flush();
    for (let scan = 0; scan < 2; scan++) {
      ledger.beginScan();
      if (files > 0) ledger.has(id(7));
      await ledger.endScan(files);
      if (scan === 0) expect(ledger.size).toBe(2000);
    }
    return { ledger, path };
  }

  test('forgets what two scans did not see where it needs the room, the oldest first, and writes itself anew', async () => {
    const { ledger, path } = await scanned(200, 1);
    expect(ledger.size).toBe(100);
    const rest = Array.from({ length: 99 }, (_, n) => id(1901 + n));
    expect(await readFile(path, 'utf8')).toBe(`${[id(7), ...rest].join('\n')}\n`);
  });

  test.each([
    ['while there is room', 250_000, 1],
    ['of an empty folder: its disk may be away', 200, 0],
  ])('forgets nothing %s', async (_, limit, files) => {
    expect((await scanned(limit, files)).ledger.size).toBe(2000);
  });

  test.each([
    ['written', 250_000],
    ['written anew', 100],
  ])('loses no photo that ends while it is being %s', async (_, limit) => {
    const path = join(await temporaryDir(), 'kept.ledger');
    const ledger = new Ledger(path, silent, limit);
    for (let n = 0; n < 1500; n++) ledger.add(id(n));
    for (let n = 1500; n < 1600; n++) {
      ledger.add(id(n));
      void ledger.flush();
      for (let scan = 0; limit === 100 && scan < 2; scan++) {
        ledger.beginScan();
        void ledger.endScan(1);
      }
      await sleep(n % 3);
    }
    await ledger.flush();
    const size = ledger.size;
    const again = new Ledger(path, silent, limit);
    await again.load();
    expect(Array.from({ length: size }, (_, n) => again.has(id(1599 - n)))).not.toContain(false);
  });

  test('is full at its limit', async () => {
    const ledger = new Ledger(join(await temporaryDir(), 'kept.ledger'), silent, 2);
    for (const n of [1, 2]) ledger.add(id(n));
    expect(ledger.full).toBe(true);
    await ledger.flush();
  });
});

test('of more faults than can be remembered none is said in every round', () => {
  const warn = vi.fn();
  const once = new OnceLog({ warn } as unknown as Logger);
  const round = (from: number) => {
    once.beginRound();
    for (let n = from; n < from + 1500; n++) once.warn(`${n}`, { file: `${n}.jpg` }, 'no rights');
  };
  for (let n = 0; n < 5; n++) round(0);
  expect(warn).toHaveBeenCalledTimes(1000);
  expect(once.last).toBe('1499.jpg: no rights');
  // Others in their place are said, once the old ones are gone.
  for (let n = 0; n < 5; n++) round(10_000);
  expect(warn).toHaveBeenCalledTimes(2000);
});

describe('the pause between two scans', () => {
  async function lasts(pause: ScanPause, ms: number): Promise<number> {
    const began = performance.now();
    await pause.begin(ms);
    return performance.now() - began;
  }

  test('is short where another scan was wanted while the last one was at it, or since', async () => {
    const [whole, during, since] = [new ScanPause(), new ScanPause(), new ScanPause()];
    whole.cut();
    for (const pause of [whole, during, since]) pause.scanning();
    during.cut();
    const all = [lasts(whole, 1500), lasts(during, 3_600_000), lasts(since, 3_600_000)];
    since.cut();
    const [ofWhole = 0, ...ofCut] = await Promise.all(all);
    expect(ofWhole).toBeGreaterThan(1490);
    for (const ms of ofCut) expect(ms).toBeGreaterThan(990);
  });

  test('ends at once when the door closes, and is none after that', async () => {
    const pause = new ScanPause();
    pause.scanning();
    const last = lasts(pause, 3_600_000);
    pause.end();
    expect((await last) + (await lasts(pause, 3_600_000))).toBeLessThan(900);
  });
});
