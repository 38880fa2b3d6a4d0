import { writeFileSync } from 'node:fs';
import {
  link,
  mkdir,
  readdir,
  readFile,
  realpath,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { disk } from '../../../src/daemon/disk.ts';
import { Filing } from '../../../src/daemon/filing/filing.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { failed, tagged } from '../../../src/daemon/pipeline/outcome.ts';
import type { Outcome } from '../../../src/daemon/ports.ts';
import type { SpoolEntry } from '../../../src/daemon/spool/spool-entry.ts';
import { RetaggerError } from '../../../src/errors.ts';
import {
  dirOnOtherDisk,
  hasOtherDisk,
  openBelow,
  silent,
  syncedPaths,
  temporaryDir,
} from '../support.ts';

let count = 0;

async function setup(after: 'move' | 'keep' | 'delete' = 'move', xmp = false) {
  const dir = await temporaryDir();
  await mkdir(join(dir, 'spool'));
  return {
    dir,
    filing: new Filing(new HomeDisk(dir), { after, xmp }, silent),
    entry: async (file: string | null, more: Partial<SpoolEntry> = {}): Promise<SpoolEntry> => {
      const n = ++count;
      const key = `key${n}`;
      const path = join(dir, 'spool', `${key}.photo`);
      await writeFile(path, `photo ${n}`);
      return {
        ...{ id: `id-${n}`, source: 'folder', file, receivedAt: '2026-01-02T03:04:05.678Z' },
        ...{ key, path, size: `photo ${n}`.length, durable: true, mtimeMs: 0 },
        body: 'moved',
        ...more,
      };
    },
    tree: async (...path: string[]) =>
      (await readdir(join(dir, ...path), { recursive: true, withFileTypes: true }).catch(() => []))
        .filter((each) => each.isFile())
        .map((each) => join(each.parentPath, each.name).slice(join(dir, ...path).length + 1))
        .sort(),
  };
}

const good = (entry: SpoolEntry, tag: string | null = 'kitchen'): Outcome =>
  tagged(
    entry,
    {
      ...{ tag, score: 0.9, scores: {}, sha256: 'ab', width: 1, height: 1 },
      ms: { decode: 1, infer: 1 },
      ...{ model: 'm@1', engine: 'wasm' },
    },
    { node: 'box', queuedMs: 1 },
  );
const bad = (entry: SpoolEntry, code: 'image_corrupt' | 'worker_crashed'): Outcome =>
  failed(entry, new RetaggerError(code, 'why'));

describe('a photo whose outcome is known', () => {
  test('lies under its tag, with its result beside it', async () => {
    const { filing, entry, tree, dir } = await setup();
    const photo = await entry('flat 3/b.jpg');
    await filing.file(photo, good(photo));
    expect(await tree('tagged')).toEqual(['kitchen/flat 3/b.jpg', 'kitchen/flat 3/b.jpg.json']);
    const sidecar = await readFile(join(dir, 'tagged/kitchen/flat 3/b.jpg.json'), 'utf8');
    expect(JSON.parse(sidecar)).toMatchObject({
      id: photo.id,
      tag: 'kitchen',
      file: 'flat 3/b.jpg',
    });
  });

  test('is filed under _abstained without a tag, and under failed with its error', async () => {
    const { filing, entry, tree } = await setup();
    const unsure = await entry('u.jpg');
    await filing.file(unsure, good(unsure, null));
    expect(await tree('tagged')).toEqual(['_abstained/u.jpg', '_abstained/u.jpg.json']);
    const broken = await entry('x/b.jpg');
    await filing.file(broken, bad(broken, 'image_corrupt'));
    expect(await tree('failed')).toEqual(['x/b.jpg', 'x/b.jpg.error.json']);
  });

  test('of HTTP or MQTT is not kept, unless it ended the worker', async () => {
    const { filing, entry, tree, dir } = await setup();
    const upload = { source: 'http', body: 'upload' } as const;
    for (const make of [good, (e: SpoolEntry) => bad(e, 'image_corrupt')]) {
      const photo = await entry('a.jpg', upload);
      await filing.file(photo, make(photo));
    }
    expect(await tree()).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/tagged|failed/)]),
    );
    const names = ['../../etc/passwd', '/abs/x.jpg', '..', null, '.hidden', 'a\0b', 'x/y.jpg'];
    for (const name of names) {
      const photo = await entry(name, { ...upload, id: '../id' });
      await filing.file(photo, bad(photo, 'worker_crashed'));
    }
    const kept = await tree('failed/_http');
    expect(kept.filter((name) => !name.endsWith('.error.json'))).toEqual([
      '___id-2.photo',
      '___id.photo',
      '_hidden',
      'ab',
      'passwd',
      'x.jpg',
      'y.jpg',
    ]);
    expect(kept).toHaveLength(2 * names.length);
    expect((await tree()).filter((name) => !/^(failed|spool)\//.test(name))).toEqual([]);
    expect(await readdir(join(dir, '..'))).not.toContain('etc');
  });

  test('that MQTT had moved out of its place is filed as the folder’s, tagged or failed', async () => {
    const { filing, entry, tree } = await setup();
    const [one, other] = [
      await entry('a.jpg', { source: 'mqtt' }),
      await entry('b.jpg', { source: 'mqtt' }),
    ];
    await filing.file(one, good(one));
    await filing.file(other, bad(other, 'image_corrupt'));
    expect(await tree('tagged')).toEqual(['kitchen/a.jpg', 'kitchen/a.jpg.json']);
    expect(await tree('failed')).toEqual(['b.jpg', 'b.jpg.error.json']);
  });

  test('has its place for good when it is filed, also in a new folder', async () => {
    const { filing, entry, dir } = await setup();
    const photo = await entry('flat 3/b.jpg');
    const synced = await syncedPaths();
    await filing.file(photo, good(photo));
    const folders = ['.', 'tagged', 'tagged/kitchen', 'tagged/kitchen/flat 3'];
    expect([...synced]).toEqual(expect.arrayContaining(folders.map((name) => join(dir, name))));
    expect(await openBelow(dir)).toEqual([]);
  });

  test('with "delete" leaves nothing but what has no tag, with "keep" only the sidecar', async () => {
    const gone = await setup('delete');
    const photo = await gone.entry('a.jpg');
    await gone.filing.file(photo, good(photo));
    expect(await gone.tree('tagged')).toEqual([]);
    const unsure = await gone.entry('u.jpg');
    await gone.filing.file(unsure, good(unsure, null));
    expect(await gone.tree('tagged')).toEqual(['_abstained/u.jpg', '_abstained/u.jpg.json']);
    const kept = await setup('keep');
    const stays = await kept.entry('a.jpg', { body: 'kept' });
    await kept.filing.file(stays, good(stays));
    await kept.filing.file(stays, good(stays));
    expect(await kept.tree('tagged')).toEqual(['kitchen/a.jpg.json']);
    expect(await readFile(stays.path, 'utf8')).toMatch(/^photo/);
  });
});

describe('an XMP sidecar', () => {
  test('names the tag, beside the photo and under its name', async () => {
    const { filing, entry, tree, dir } = await setup('move', true);
    for (const tag of ['kitchen', 'a|b & <c>', null]) {
      const photo = await entry('a.jpg');
      await filing.file(photo, good(photo, tag));
      await filing.file(photo, good(photo, tag));
    }
    expect(await tree('tagged')).toEqual([
      ...['_abstained/a.jpg', '_abstained/a.jpg.json'],
      ...['a|b & <c>/a.jpg', 'a|b & <c>/a.jpg.json', 'a|b & <c>/a.jpg.xmp'],
      ...['kitchen/a.jpg', 'kitchen/a.jpg.json', 'kitchen/a.jpg.xmp'],
    ]);
    const second = await entry('a.jpg');
    await filing.file(second, good(second));
    const xmp = await readFile(join(dir, 'tagged/kitchen/a-2.jpg.xmp'), 'utf8');
    expect(xmp).toMatch(/<dc:subject>\s*<rdf:Bag>\s*<rdf:li>kitchen<\/rdf:li>/);
    expect(xmp).toMatch(/<lr:hierarchicalSubject>\s*<rdf:Bag>\s*<rdf:li>RE-Tagger\|kitchen<\//);
    const odd = await readFile(join(dir, 'tagged/a|b & <c>/a.jpg.xmp'), 'utf8');
    expect(odd).toContain('<rdf:li>a|b &amp; &lt;c&gt;</rdf:li>');
    expect(odd).toContain('<rdf:li>RE-Tagger|a/b &amp; &lt;c&gt;</rdf:li>');
  });

  test('of a photo that stays lies where the photo is, and never replaces one', async () => {
    const { filing, entry, tree, dir } = await setup('keep', true);
    const kept = { body: 'kept' } as const;
    const [one, other] = [await entry('a.jpg', kept), await entry('b.jpg', kept)];
    await writeFile(`${other.path}.xmp`, 'five stars');
    const synced = await syncedPaths();
    for (const photo of [one, other]) await filing.file(photo, good(photo));
    expect(synced).toContain(join(dir, 'spool'));
    expect(await tree('tagged')).toEqual(['kitchen/a.jpg.json', 'kitchen/b.jpg.json']);
    expect(await readFile(`${one.path}.xmp`, 'utf8')).toContain('kitchen');
    expect(await readFile(`${other.path}.xmp`, 'utf8')).toBe('five stars');
    // A folder that may not be written to costs the XMP file, not the result.
    const gone = await entry('c.jpg', { ...kept, path: join(dir, 'no such folder', 'c.jpg') });
    await filing.file(gone, good(gone));
    expect(await tree('tagged')).toContain('kitchen/c.jpg.json');
  });

  test('is never written through a link that somebody with rights there has laid', async () => {
    const { filing, entry, dir } = await setup('keep', true);
    const photo = await entry('a.jpg', { body: 'kept' });
    await writeFile(join(dir, 'kept.ledger'), 'ours');
    await symlink(join(dir, 'kept.ledger'), join(dir, 'spool', `.${photo.key}.xmp.tmp`));
    await filing.file(photo, good(photo));
    expect(await readFile(join(dir, 'kept.ledger'), 'utf8')).toBe('ours');
    expect(await readFile(`${photo.path}.xmp`, 'utf8')).toContain('kitchen');
  });

  test('of one that stays but was copied, for its name is no UTF-8, is not left in the spool', async () => {
    const { filing, entry, tree } = await setup('keep', true);
    const photo = await entry('a\ufffd.jpg', { body: 'upload' });
    await filing.file(photo, good(photo));
    expect(await tree('tagged')).toEqual(['kitchen/a\ufffd.jpg.json']);
    expect((await tree('spool')).filter((name) => name.endsWith('.xmp'))).toEqual([]);
  });

  test('follows a photo that was replaced, as long as nobody has added to it', async () => {
    const { filing, entry, dir } = await setup('keep', true);
    const xmp = () => readFile(join(dir, 'spool/a.jpg.xmp'), 'utf8');
    const put = async (tag: string) => {
      const photo = await entry('a.jpg', { body: 'kept', path: join(dir, 'spool/a.jpg') });
      await filing.file(photo, good(photo, tag));
    };
    await put('a & <b>');
    await put('hall');
    expect(await xmp()).toContain('<rdf:li>hall</rdf:li>');
    const rated = `${await xmp()}<!-- five stars -->`;
    await writeFile(join(dir, 'spool/a.jpg.xmp'), rated);
    await put('kitchen');
    expect(await xmp()).toBe(rated);
  });

  test("that is a folder is nobody's fault", async () => {
    const { filing, entry, tree, dir } = await setup('move', true);
    await mkdir(join(dir, 'tagged/kitchen/a.jpg.xmp'), { recursive: true });
    const photo = await entry('a.jpg');
    await filing.file(photo, good(photo));
    expect(await tree('tagged')).toEqual(['kitchen/a.jpg', 'kitchen/a.jpg.json']);
  });

  test('is not written unless asked for, nor for what failed', async () => {
    const asked = await setup('move', true);
    const photo = await asked.entry('a.jpg');
    await asked.filing.file(photo, bad(photo, 'image_corrupt'));
    expect(await asked.tree('failed')).toEqual(['a.jpg', 'a.jpg.error.json']);
  });
});

describe('names', () => {
  test('that are taken are never overwritten, also by many at once', async () => {
    const { filing, entry, tree, dir } = await setup();
    await mkdir(join(dir, 'tagged/kitchen'), { recursive: true });
    await writeFile(join(dir, 'tagged/kitchen/a.jpg'), 'precious');
    await writeFile(join(dir, 'tagged/kitchen/a-3.jpg.json'), '{"id":"precious"}');
    const photos = await Promise.all(Array.from({ length: 12 }, () => entry('a.jpg')));
    await Promise.all(photos.map((photo) => filing.file(photo, good(photo))));
    const names = (await tree('tagged/kitchen')).filter((name) => name.endsWith('.jpg'));
    expect(names).toHaveLength(13);
    expect(names).not.toContain('a-3.jpg');
    expect(await tree('tagged/kitchen')).not.toContain('a.jpg.json');
    expect(await readFile(join(dir, 'tagged/kitchen/a.jpg'), 'utf8')).toBe('precious');
    // Each photo lies beside its own sidecar.
    for (const name of names.filter((each) => each !== 'a.jpg')) {
      const sidecar = JSON.parse(await readFile(join(dir, `tagged/kitchen/${name}.json`), 'utf8'));
      const bytes = await readFile(join(dir, 'tagged/kitchen', name), 'utf8');
      expect(bytes).toBe(sidecar.id.replace('id-', 'photo '));
    }
  });

  test('of 255 bytes keep photo and sidecar, twice', async () => {
    const { filing, entry, tree } = await setup();
    const name = `${'é'.repeat(125)}x.jpg`;
    expect(Buffer.byteLength(name)).toBe(255);
    for (let n = 0; n < 2; n++) {
      const photo = await entry(name);
      await filing.file(photo, bad(photo, 'image_corrupt'));
    }
    const names = await tree('failed');
    expect(names).toHaveLength(4);
    expect(names).toContain(name);
    for (const each of names) expect(Buffer.byteLength(each)).toBeLessThanOrEqual(255);
  });

  test('whose folder cannot be made end one level up', async () => {
    const { filing, entry, tree, dir } = await setup();
    await mkdir(join(dir, 'tagged/kitchen'), { recursive: true });
    await writeFile(join(dir, 'tagged/kitchen/a'), 'a file called a');
    const photo = await entry('a/b.jpg');
    await filing.file(photo, good(photo));
    expect(await tree('tagged/kitchen')).toEqual(['a', 'b.jpg', 'b.jpg.json']);
    const deep = await entry(`${`${'d'.repeat(250)}/`.repeat(20)}c.jpg`);
    await filing.file(deep, good(deep));
    expect(await tree('tagged/kitchen')).toContain('c.jpg');
    // Windows shares have names of 255 characters, which may be more bytes.
    const long = await entry(`${'é'.repeat(200)}/d.jpg`);
    await filing.file(long, good(long));
    expect(await tree('tagged/kitchen')).toContain('d.jpg');
  });

  test('of labels with slashes stay one folder', async () => {
    const { filing, entry, tree } = await setup();
    const photo = await entry('a.jpg');
    await filing.file(photo, good(photo, '../living/room'));
    expect(await tree('tagged')).toEqual(['_._living_room/a.jpg', '_._living_room/a.jpg.json']);
  });
});

describe('after a crash in the middle', () => {
  const resumed = async (before: (photo: SpoolEntry, dir: string) => Promise<void>) => {
    const { filing, entry, tree, dir } = await setup();
    const photo = await entry('a.jpg');
    await filing.file(photo, good(photo));
    await before(photo, dir);
    await filing.file(photo, good(photo));
    const bytes = await readFile(join(dir, 'tagged/kitchen/a.jpg'), 'utf8');
    expect(bytes).toBe(photo.id.replace('id-', 'photo '));
    return tree('tagged/kitchen');
  };
  const whole = ['a.jpg', 'a.jpg.json'];

  test('filing again changes nothing', async () => {
    expect(await resumed(async () => {})).toEqual(whole);
  });

  test('a sidecar without its photo gets it', async () => {
    expect(await resumed((_, dir) => unlink(join(dir, 'tagged/kitchen/a.jpg')))).toEqual(whole);
  });

  test('an empty claim on a name is filled', async () => {
    const cut = async (photo: SpoolEntry, dir: string) => {
      const target = join(dir, 'tagged/kitchen/a.jpg');
      await link(target, `${photo.path}.again`);
      await unlink(target);
      await writeFile(target, '');
    };
    expect(await resumed(cut)).toEqual(whole);
  });

  test('a draft left behind is replaced and removed', async () => {
    const cut = async (photo: SpoolEntry, dir: string) => {
      await unlink(join(dir, 'tagged/kitchen/a.jpg'));
      await unlink(join(dir, 'tagged/kitchen/a.jpg.json'));
      await writeFile(join(dir, `tagged/kitchen/.${photo.key}.tmp`), '{"id":');
    };
    expect(await resumed(cut)).toEqual(whole);
  });
});

describe.skipIf(!hasOtherDisk)('where tagged and failed are on another disk', () => {
  async function apart(name: 'tagged' | 'failed') {
    const box = await setup();
    const place = await dirOnOtherDisk();
    await symlink(place, join(box.dir, name));
    return { ...box, there: () => readdir(place, { recursive: true }).then((all) => all.sort()) };
  }

  test('a photo is filed once, also when a crash has it filed again', async () => {
    const { filing, entry, there, dir } = await apart('tagged');
    const photo = await entry('b.jpg');
    const synced = await syncedPaths();
    for (let n = 0; n < 2; n++) {
      await filing.file(photo, good(photo));
      // As if the power had gone amid the copy.
      if (n === 0) await writeFile(join(dir, `tagged/kitchen/.${photo.key}.part`), 'pho');
    }
    const place = await realpath(join(dir, 'tagged/kitchen'));
    expect(synced).toContain(join(place, `.${photo.key}.part`));
    expect(await there()).toEqual(['kitchen', 'kitchen/b.jpg', 'kitchen/b.jpg.json']);
  });

  test('another photo under the name of its sidecar is not taken for it', async () => {
    const { filing, entry, there, dir } = await apart('tagged');
    const photo = await entry('b.jpg');
    await filing.file(photo, good(photo));
    await writeFile(join(dir, 'tagged/kitchen/b.jpg'), 'PHOTO 9'.slice(0, photo.size));
    await filing.file(photo, good(photo));
    expect(await there()).toContain('kitchen/b-2.jpg');
  });

  test('what has no record is set aside, and what cannot be is left and ends nothing', async () => {
    const { filing, there, dir, tree } = await apart('failed');
    await writeFile(join(dir, 'spool/x.photo'), 'the only copy');
    const synced = await syncedPaths();
    await filing.rescue(join(dir, 'spool/x.photo'));
    expect(synced).toContain(await realpath(join(dir, 'failed/_recovered')));
    expect(await there()).toEqual(['_recovered', '_recovered/x.photo']);
    expect(await tree('spool')).toEqual([]);
    await filing.rescue(join(dir, 'spool/gone.photo'));
  });
});

test('a path that would be too long below our folders is cut', async () => {
  const { filing, entry, tree, dir } = await setup();
  // The folder could just be made, the photo's name in it not.
  const depth = Math.floor((4085 - join(dir, 'tagged/kitchen/').length) / 2);
  const photo = await entry(`${'d/'.repeat(depth)}a-photo.jpg`);
  await filing.file(photo, good(photo));
  expect(await tree('tagged')).toEqual(['kitchen/a-photo.jpg', 'kitchen/a-photo.jpg.json']);
});

test('a photo that is taken in once more, since its original could not go, is filed once', async () => {
  const { filing, entry, tree } = await setup();
  const photo = await entry('b.jpg');
  await filing.file(photo, good(photo));
  const bytes = await readFile(photo.path);
  await unlink(photo.path);
  await writeFile(photo.path, bytes);
  await filing.file(photo, good(photo));
  expect(await tree('tagged')).toEqual(['kitchen/b.jpg', 'kitchen/b.jpg.json']);
});

test('a photo that was renamed to its place before the rest failed is filed the second time', async () => {
  const { filing, entry, tree, dir } = await setup();
  const photo = await entry('b.jpg');
  await filing.file(photo, good(photo));
  await unlink(photo.path);
  await filing.file(photo, good(photo));
  expect(await tree('tagged')).toEqual(['kitchen/b.jpg', 'kitchen/b.jpg.json']);
  await unlink(join(dir, 'tagged/kitchen/b.jpg'));
  await expect(filing.file(photo, good(photo))).rejects.toThrow('is gone');
  // An empty claim on the name is no photo.
  await writeFile(join(dir, 'tagged/kitchen/b.jpg'), '');
  await expect(filing.file(photo, good(photo))).rejects.toThrow('is gone');
});

test('thousands of photos of one name are filed quickly, past the last number too', async () => {
  const { filing, entry, dir } = await setup();
  const tagged = join(dir, 'tagged/kitchen');
  await mkdir(tagged, { recursive: true });
  for (let n = 1; n <= 10_000; n++) {
    writeFileSync(join(tagged, n === 1 ? 's.jpg.json' : `s-${n}.jpg.json`), '{}');
  }
  const file = async (photo: SpoolEntry) => {
    const began = process.cpuUsage();
    await filing.file(photo, good(photo));
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  const [first, second] = [await entry('s.jpg'), await entry('s.jpg')];
  const all = await file(first);
  expect(await readdir(tagged)).toContain(`s-${first.key}.jpg`);
  // Not all numbers are tried again.
  expect(await file(second)).toBeLessThan(all / 5);
  expect(await readdir(tagged)).toContain(`s-${second.key}.jpg.json`);
});

test('a photo from before a restart is looked for among all of its name', async () => {
  const { filing, entry, tree } = await setup();
  const photos = [];
  for (let n = 0; n < 60; n++) {
    const each = await entry('s.jpg');
    photos.push(each);
    await filing.file(each, good(each));
  }
  const [first] = photos as [SpoolEntry];
  await filing.file({ ...first, again: true }, good(first));
  expect(await tree('tagged')).toHaveLength(2 * photos.length);
});

test('a photo whose XMP sidecar fails is filed once, among many of one name too', async () => {
  const { filing, entry, tree } = await setup('move', true);
  for (let n = 0; n < 60; n++) {
    const each = await entry('s.jpg');
    await filing.file(each, good(each));
  }
  const before = await tree('tagged');
  const photo = await entry('s.jpg');
  const { write } = disk;
  const spy = vi.spyOn(disk, 'write').mockImplementation(async (path, data) => {
    if (path.endsWith('.xmp.tmp')) throw Object.assign(new Error('EIO'), { code: 'EIO' });
    await write(path, data);
  });
  for (let n = 0; n < 3; n++) await expect(filing.file(photo, good(photo))).rejects.toThrow('EIO');
  spy.mockRestore();
  await filing.file(photo, good(photo));
  expect((await tree('tagged')).length).toBe(before.length + 3);
});

test('a photo is not put beside the result of another with the same id', async () => {
  const { filing, entry, tree, dir } = await setup();
  const one = await entry('snap.jpg', { id: 'cam-7' });
  await filing.file(one, good(one));
  await unlink(join(dir, 'tagged/kitchen/snap.jpg'));
  const two = await entry('snap.jpg', { id: 'cam-7' });
  const outcome = good(two);
  if (outcome.ok) Object.assign(outcome.result, { sha256: 'other' });
  await filing.file(two, outcome);
  expect(await tree('tagged')).toEqual([
    ...['kitchen/snap-2.jpg', 'kitchen/snap-2.jpg.json', 'kitchen/snap.jpg.json'],
  ]);
});

test('what is set aside takes no other place', async () => {
  const { filing, dir, tree } = await setup();
  for (const text of ['one', 'two', 'three']) {
    await writeFile(join(dir, 'spool/x.photo'), text);
    await filing.rescue(join(dir, 'spool/x.photo'));
  }
  expect(await tree('failed')).toEqual(
    ['_recovered/x-2.photo', '_recovered/x-3.photo', '_recovered/x.photo'].sort(),
  );
});
