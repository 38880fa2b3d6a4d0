import { AsyncLocalStorage } from 'node:async_hooks';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { RawConfig } from '../../src/config/schema.ts';
import { build, configIn, dirOnOtherDisk, hasOtherDisk, temporaryDir } from './support.ts';

/** So many more changes to the disk until the power goes; negative when it is gone. */
interface Power {
  left: number;
}

/** Each life of the daemon has its own: what is dead stays dead while the next one works. */
const lives = vi.hoisted(() => ({ current: null as AsyncLocalStorage<Power> | null }));
lives.current = new AsyncLocalStorage<Power>();

/** The power can go before every call that changes the disk; a write may be torn by it. */
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const changing = ['writeFile', 'rename', 'unlink', 'link', 'mkdir', 'copyFile'] as const;
  const cuttable = (name: (typeof changing)[number]) =>
    async function cut(...args: unknown[]) {
      const power = lives.current?.getStore();
      if (power && --power.left < 0) {
        const [path, data] = args as [string, string | Uint8Array];
        if (name === 'writeFile' && power.left === -1) {
          await real.writeFile(path, Buffer.from(data).subarray(0, data.length >> 1));
        }
        throw new Error('the power is gone');
      }
      return (real[name] as (...args: unknown[]) => Promise<unknown>)(...args);
    };
  return { ...real, ...Object.fromEntries(changing.map((name) => [name, cuttable(name)])) };
});

const receivedAt = '2026-01-01T00:00:00.000Z';
type After = RawConfig['ingest']['after'];

/** One photo of each door is handed in, tagged, delivered and filed, as long as there is power. */
async function life(
  dir: string,
  ingest: { readonly dir: string; readonly after: After },
  power: Power,
  seen: Set<string>,
): Promise<void> {
  const daemon = build(configIn(dir, { ingest }));
  const { pipeline, outbox } = daemon;
  pipeline.onOutcome(({ ok, photo }) => seen.add(`${photo.id} ${ok ? 'tagged' : 'failed'}`));
  try {
    await daemon.start();
    const file = join(ingest.dir, 'a.jpg');
    const there = (await readdir(ingest.dir)).includes('a.jpg');
    const move = { id: 'folder', source: 'folder', file: 'a.jpg', receivedAt } as const;
    const sent = { id: 'mqtt', source: 'mqtt', file: null, receivedAt } as const;
    // The doors' part: a file that is there is met again, a message not acknowledged comes again.
    if (there) await pipeline.accept({ ...move, body: { move: file } });
    if (!seen.has('acknowledged')) {
      await pipeline.accept({ ...sent, body: { bytes: Buffer.from('hall') } });
      seen.add('acknowledged');
    }
    while (pipeline.length > 0 || outbox.length > 0) {
      if (power.left < 0) throw new Error('the power is gone');
      for (const entry of await outbox.take(9)) {
        seen.add(`${entry.message.payload.id} delivered`);
        await outbox.remove(entry);
      }
      await sleep(1);
    }
  } catch (error) {
    if (power.left >= 0) throw error;
  } finally {
    await daemon.crash();
  }
}

const places: [After, string, () => Promise<string>, string[]][] = [];
for (const [after, filed] of [
  ['move', ['tagged/kitchen/a.jpg', 'tagged/kitchen/a.jpg.json']],
  ['delete', []],
] satisfies [After, string[]][]) {
  places.push([after, 'beside the spool', temporaryDir, filed]);
  if (hasOtherDisk) places.push([after, 'on another disk', dirOnOtherDisk, filed]);
}

test.each(places)(
  'ingest.after %s, a folder %s: whatever change to the disk the power goes before, both photos end once',
  async (after, _, place, filed) => {
    let point = 0;
    for (let cut = true; cut; point++) {
      const dir = await temporaryDir();
      const ingest = { dir: await place(), after };
      await writeFile(join(ingest.dir, 'a.jpg'), 'kitchen');
      const seen = new Set<string>();
      const [first, second] = [{ left: point }, { left: Number.POSITIVE_INFINITY }];
      for (const power of [first, second]) {
        await lives.current?.run(power, () => life(dir, ingest, power, seen));
      }
      cut = first.left < 0;
      const where = `the power went before change ${point}`;
      expect(await readdir(ingest.dir), where).toEqual([]);
      const ends = ['folder', 'mqtt'].flatMap((id) => [`${id} delivered`, `${id} tagged`]);
      expect([...seen].sort(), where).toEqual(['acknowledged', ...ends]);
      const entries = await readdir(dir, { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
      expect(files.sort(), where).toEqual(filed);
      for (const photo of filed.slice(0, 1)) {
        expect(await readFile(join(dir, photo), 'utf8'), where).toBe('kitchen');
      }
    }
    expect(point).toBeGreaterThan(15);
  },
  300_000,
);
