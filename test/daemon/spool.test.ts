import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NewPhoto } from '../../src/daemon/ports.ts';
import { Spool } from '../../src/daemon/spool.ts';
import { silent, temporaryDir } from './support.ts';

const LIMIT = 1000;

const photo = (body: NewPhoto['body'], more: Partial<NewPhoto> = {}): NewPhoto => ({
  id: 'id-1',
  source: 'mqtt',
  file: 'a/b.jpg',
  receivedAt: '2026-01-02T03:04:05.678Z',
  body,
  ...more,
});

async function opened(dir: string) {
  const spool = new Spool(join(dir, 'spool'), LIMIT, silent);
  return { spool, ...(await spool.open()) };
}
const add = (spool: Spool, each: NewPhoto) => spool.add(each, Spool.key(each));
const files = (spool: Spool) => readdir(spool.dir).then((names) => names.sort());

describe('a photo in the spool', () => {
  test('from MQTT is found after a restart with all that is known of it', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const reply = { topic: 'answers/1', correlation: 'AAEC' };
    const entry = await add(spool, photo({ bytes: Buffer.from('jpeg') }, { reply }));
    expect(entry).toMatchObject({ size: 4, kept: false, durable: true });
    expect(spool.bytes).toBe(4);
    const meta = JSON.parse(await readFile(join(spool.dir, `${entry.key}.json`), 'utf8'));
    expect(meta).toMatchObject({ id: 'id-1', received_at: '2026-01-02T03:04:05.678Z' });

    const again = await opened(dir);
    const { mtimeMs: _, ...rest } = entry;
    expect(again.entries).toMatchObject([rest]);
    expect(await readFile(again.entries[0]?.path ?? '', 'utf8')).toBe('jpeg');
    expect(again.spool.bytes).toBe(4);
    await again.spool.remove(entry);
    expect(await files(spool)).toEqual([]);
    expect(again.spool.bytes).toBe(0);
  });

  test('from HTTP is dropped at start: its caller has no answer and asks again', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const entry = await add(
      spool,
      photo({ stream: Readable.from([Buffer.from('jp'), Buffer.from('eg')]) }, { source: 'http' }),
    );
    expect(await readFile(entry.path, 'utf8')).toBe('jpeg');
    const again = await opened(dir);
    expect(again.entries).toEqual([]);
    expect(await files(spool)).toEqual([]);
  });

  test('from the folder is renamed here; one that is kept is only pointed at', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await writeFile(join(dir, 'moved.jpg'), 'm');
    await writeFile(join(dir, 'kept.jpg'), 'kept');
    const moved = await add(spool, photo({ move: join(dir, 'moved.jpg') }, { source: 'folder' }));
    const kept = await add(
      spool,
      photo({ keep: join(dir, 'kept.jpg') }, { source: 'folder', id: 'id-2' }),
    );
    expect(await readdir(dir)).toEqual(['kept.jpg', 'spool']);
    expect(kept).toMatchObject({ path: join(dir, 'kept.jpg'), kept: true, size: 4 });
    expect((await opened(dir)).entries.map(({ key }) => key).sort()).toEqual(
      [moved.key, kept.key].sort(),
    );
    await spool.remove(kept);
    await spool.remove(moved);
    expect(await readdir(dir)).toEqual(['kept.jpg', 'spool']);
    expect(await files(spool)).toEqual([]);
  });

  test('whose name is no UTF-8 is moved too', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe])]);
    await writeFile(path, 'odd');
    const entry = await add(spool, photo({ move: path }, { source: 'folder' }));
    expect(await readFile(entry.path, 'utf8')).toBe('odd');
    expect(await readdir(dir)).toEqual(['spool']);
  });

  test('that is gone, or swapped for a link, is refused without a trace', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await expect(add(spool, photo({ move: join(dir, 'gone.jpg') }))).rejects.toMatchObject({
      code: 'file_missing',
    });
    await writeFile(join(dir, 'secret'), 'secret');
    await symlink(join(dir, 'secret'), join(dir, 'link.jpg'));
    await expect(add(spool, photo({ move: join(dir, 'link.jpg') }))).rejects.toMatchObject({
      code: 'image_unsupported',
    });
    expect(await files(spool)).toEqual([]);
    expect(await readFile(join(dir, 'secret'), 'utf8')).toBe('secret');
  });

  test('over the limit is refused as soon as that is known', async () => {
    const { spool } = await opened(await temporaryDir());
    let read = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          read += 500;
          yield Buffer.alloc(500);
        }
      })(),
    );
    for (const body of [{ bytes: Buffer.alloc(LIMIT + 1) }, { stream: endless }]) {
      await expect(add(spool, photo(body))).rejects.toMatchObject({ code: 'image_too_large' });
    }
    expect(read).toBeLessThan(100_000);
    expect(await files(spool)).toEqual([]);
    expect(spool.bytes).toBe(0);
  });
});

describe('a crash', () => {
  test('between the story and the move leaves the photo where it was, to be handed in again', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const origin = join(dir, 'a.jpg');
    await writeFile(origin, 'jpeg');
    const entry = await add(spool, photo({ move: origin }, { source: 'folder' }));
    await rename(entry.path, origin);
    const again = await opened(dir);
    expect(again).toMatchObject({ entries: [], strays: [] });
    expect(await readFile(origin, 'utf8')).toBe('jpeg');
    expect(await files(spool)).toEqual([]);
  });

  test('before an original on another disk was unlinked does not leave two', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    const origin = join(dir, 'a.jpg');
    await writeFile(origin, 'jpeg');
    const entry = await add(spool, photo({ move: origin }, { source: 'folder' }));
    // As after a copy: another inode in the spool, the old one back in its place.
    await rename(entry.path, origin);
    await writeFile(entry.path, 'jpeg');
    const again = await opened(dir);
    expect(again.entries).toHaveLength(1);
    await expect(readFile(origin)).rejects.toThrow('ENOENT');
  });

  test('that left a photo without its story does not cost the photo', async () => {
    const dir = await temporaryDir();
    const { spool } = await opened(dir);
    await writeFile(join(spool.dir, 'stray.photo'), 'the only copy');
    await writeFile(join(spool.dir, 'broken.photo'), 'another');
    await writeFile(join(spool.dir, 'broken.json'), '{"id":');
    await writeFile(join(spool.dir, 'empty.photo'), 'a third');
    await writeFile(join(spool.dir, 'empty.json'), 'null');
    await writeFile(join(spool.dir, 'half.part'), 'x');
    const again = await opened(dir);
    expect(again.entries).toEqual([]);
    expect(again.strays.sort()).toEqual([
      join(spool.dir, 'broken.photo'),
      join(spool.dir, 'empty.photo'),
      join(spool.dir, 'stray.photo'),
    ]);
    expect(await files(spool)).not.toContain('half.part');
  });
});

test('any order of taking in, restarting and removing keeps exactly what was taken in', async () => {
  const root = await temporaryDir();
  let run = 0;
  const kinds = fc.constantFrom('mqtt', 'http', 'move', 'keep', 'remove', 'restart', 'garbage');
  await fc.assert(
    fc.asyncProperty(fc.array(kinds, { maxLength: 25 }), async (steps) => {
      const dir = join(root, String(run++));
      await mkdir(dir);
      let { spool } = await opened(dir);
      const model = new Map<string, Awaited<ReturnType<Spool['add']>>>();
      for (const [n, step] of steps.entries()) {
        const id = `id-${n}`;
        if (step === 'remove') {
          const [entry] = model.values();
          if (entry) await spool.remove(entry);
          if (entry) model.delete(entry.key);
        } else if (step === 'restart') {
          const again = await opened(dir);
          spool = again.spool;
          for (const [key, entry] of model) if (!entry.durable) model.delete(key);
          expect(again.entries.map(({ key }) => key).sort()).toEqual([...model.keys()].sort());
        } else if (step === 'garbage') {
          await writeFile(join(spool.dir, `x${n}.${n % 2 ? 'upload' : '1.tmp'}`), 'torn');
        } else {
          const path = join(dir, `${n}.jpg`);
          if (step === 'move' || step === 'keep') await writeFile(path, `photo ${n}`);
          const body =
            step === 'move'
              ? { move: path }
              : step === 'keep'
                ? { keep: path }
                : { bytes: Buffer.from(`photo ${n}`) };
          const source = step === 'mqtt' || step === 'http' ? step : 'folder';
          const entry = await add(spool, photo(body, { id, source }));
          model.set(entry.key, entry);
        }
        for (const entry of model.values()) {
          expect(await readFile(entry.path, 'utf8')).toMatch(/^photo \d+$/);
        }
      }
    }),
    { numRuns: 60 },
  );
});
