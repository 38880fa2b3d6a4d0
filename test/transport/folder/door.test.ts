import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, type MockInstance, onTestFinished, test, vi } from 'vitest';
import type { RawConfig } from '../../../src/config/schema.ts';
import type { Outcome, Pipeline } from '../../../src/daemon/ports.ts';
import { RetaggerError } from '../../../src/errors.ts';
import { FolderDoor } from '../../../src/transport/folder/door.ts';
import { fileId } from '../../../src/transport/folder/identity.ts';
import { Looks } from '../../../src/transport/folder/looks.ts';
import { Root } from '../../../src/transport/folder/root.ts';
import { Watcher } from '../../../src/transport/folder/watcher.ts';
import {
  build,
  configIn,
  dirOnOtherDisk,
  eventually,
  hasOtherDisk,
  hurryTimers,
  silent,
  TextTagger,
  temporaryDir,
} from '../../daemon/support.ts';

const OLD = new Date('2020-01-01');

/** The door with the real pipeline and a text tagger; files count as moved in when `old`. */
async function open(
  ingest: Partial<RawConfig['ingest']> = {},
  dir?: string,
  tagger?: TextTagger,
  log = silent,
) {
  // Looks at the folder itself are seconds apart.
  hurryTimers();
  const config = configIn(dir ?? (await temporaryDir()), {
    // No rescan in time to help: what is not noticed at once is seen by the tests that ask for one.
    ingest: { settle_ms: 60, rescan_s: 3600, ...ingest },
  });
  const daemon = build(config, tagger);
  const door = new FolderDoor({ config, log, pipeline: daemon.pipeline });
  const outcomes: Outcome[] = [];
  daemon.pipeline.onOutcome((outcome) => outcomes.push(outcome));
  await daemon.start();
  let open = true;
  const close = async () => {
    if (!open) return;
    open = false;
    await door.stop();
    await daemon.pipeline.stop();
  };
  onTestFinished(close);
  const root = config.ingest.dir;
  return {
    ...{ config, daemon, door, outcomes, close, root },
    start: () => door.start(),
    /** As a finished file that is moved in. */
    async drop(name: string | Buffer, text: string): Promise<void> {
      const hidden = join(config.data.dir, `.${Math.random()}`);
      await writeFile(hidden, text);
      await utimes(hidden, OLD, OLD);
      const target = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)]);
      await rename(hidden, target);
    },
    /** Names below a folder of the data folder, sorted. */
    tree: async (...path: string[]) =>
      (await readdir(join(config.data.dir, ...path), { recursive: true }).catch(() => [])).sort(),
    idle: (count: number) =>
      eventually(() => outcomes.length >= count && daemon.pipeline.length === 0),
  };
}

/** Resolves when a method has been called so often from now on, by whomever. */
async function done<T extends object>(type: T, method: keyof T, times: number): Promise<void> {
  const calls = vi.spyOn(type, method as never) as unknown as MockInstance;
  await eventually(() => calls.mock.calls.length >= times);
  calls.mockRestore();
}

/** Resolves when the whole folder has been read anew, and what was to settle has had the time. */
const rescanned = () => done(Watcher.prototype, 'endScan', 4);

describe('what is taken', () => {
  test('files there at start and files that come, in subfolders old and new', async () => {
    const folder = await open();
    await mkdir(join(folder.root, 'old/deep'), { recursive: true });
    await folder.drop('old/deep/a.jpg', 'kitchen');
    await folder.start();
    await folder.idle(1);
    await folder.drop('b.jpg', 'hall');
    await mkdir(join(folder.root, 'new/er'), { recursive: true });
    await folder.drop('new/er/c.jpg', 'unsure');
    await folder.idle(3);
    expect(await folder.tree('tagged')).toEqual([
      '_abstained',
      '_abstained/new',
      '_abstained/new/er',
      '_abstained/new/er/c.jpg',
      '_abstained/new/er/c.jpg.json',
      'hall',
      'hall/b.jpg',
      'hall/b.jpg.json',
      'kitchen',
      'kitchen/old',
      'kitchen/old/deep',
      'kitchen/old/deep/a.jpg',
      'kitchen/old/deep/a.jpg.json',
    ]);
    expect(folder.outcomes.map(({ photo }) => photo.file).sort()).toEqual([
      'b.jpg',
      'new/er/c.jpg',
      'old/deep/a.jpg',
    ]);
  });

  test('a folder of photos moved in as a whole', async () => {
    const folder = await open();
    await folder.start();
    const outside = join(folder.config.data.dir, 'outside');
    await mkdir(join(outside, 'x'), { recursive: true });
    for (const name of ['1', 'x/2', 'x/3']) {
      await writeFile(join(outside, `${name}.jpg`), 'kitchen');
      await utimes(join(outside, `${name}.jpg`), OLD, OLD);
    }
    await rename(outside, join(folder.root, 'moved'));
    await folder.idle(3);
    expect(await folder.tree('tagged/kitchen/moved/x')).toHaveLength(4);
  });

  test('a growing file only when it is whole', async () => {
    const folder = await open({ settle_ms: 150 });
    await folder.start();
    const path = join(folder.root, 'slow.jpg');
    await writeFile(path, 'kitchen');
    for (let n = 0; n < 6; n++) {
      await sleep(60);
      await appendFile(path, ` part${n}`);
    }
    await folder.idle(1);
    expect(folder.daemon.tagger.seen).toEqual(['kitchen part0 part1 part2 part3 part4 part5']);
  });

  test('an empty file fails as corrupt, a text file named .jpg as unsupported', async () => {
    const folder = await open({ settle_ms: 5 });
    await folder.start();
    await writeFile(join(folder.root, 'empty.jpg'), '');
    await folder.drop('notes.jpg', 'image_unsupported');
    await folder.idle(2);
    expect(await folder.tree('failed')).toEqual([
      'empty.jpg',
      'empty.jpg.error.json',
      'notes.jpg',
      'notes.jpg.error.json',
    ]);
    const sidecar = await readFile(
      join(folder.config.data.dir, 'failed/empty.jpg.error.json'),
      'utf8',
    );
    expect(JSON.parse(sidecar)).toMatchObject({
      source: 'folder',
      file: 'empty.jpg',
      code: 'image_corrupt',
    });
  });

  test('not hidden, temporary or system files, links, pipes or sockets', async () => {
    const folder = await open({ rescan_s: 0.1 });
    await folder.start();
    const secret = join(folder.config.data.dir, 'secret.jpg');
    await writeFile(secret, 'kitchen');
    await symlink(secret, join(folder.root, 'link.jpg'));
    await symlink(folder.config.data.dir, join(folder.root, 'linked'));
    const server = createServer().listen(join(folder.root, 'socket.jpg'));
    onTestFinished(() => void server.close());
    const ignored = ['.hidden.jpg', '.a.jpg.Xy12', 'a.part', 'b.jpg.crdownload', 'c.TMP', 'd.jpg~'];
    for (const name of [...ignored, 'Thumbs.db']) await folder.drop(name, 'hall');
    await mkdir(join(folder.root, '.git'));
    await folder.drop('.git/x.jpg', 'hall');
    await folder.drop('real.jpg', 'kitchen');
    await folder.idle(1);
    // Still only the real one.
    await rescanned();
    expect(folder.outcomes).toHaveLength(1);
    expect((await readdir(folder.root)).sort()).toEqual(
      [...ignored, 'Thumbs.db', '.git', 'link.jpg', 'linked', 'socket.jpg'].sort(),
    );
  });

  test('names that are hard on programs', async () => {
    const folder = await open();
    await folder.start();
    const names = [
      'new\nline.jpg',
      '🏠 kitchen.jpg',
      'quote\'"\\.jpg',
      `${'x'.repeat(251)}.jpg`,
      `${'ü'.repeat(125)}.jpg`,
      'no suffix',
      '-rf.jpg',
      'con%00.jpg',
    ];
    for (const name of names) await folder.drop(name, 'kitchen');
    await folder.drop(Buffer.from([0x61, 0xff, 0xfe, 0x2e, 0x6a, 0x70, 0x67]), 'kitchen');
    await folder.idle(names.length + 1);
    expect(await readdir(folder.root)).toEqual([]);
    const tagged = await folder.tree('tagged/kitchen');
    for (const name of names) expect(tagged).toContain(name);
    expect(tagged).toHaveLength(2 * names.length + 2);
    expect(tagged).toContain(`${'x'.repeat(245)}~.jpg.json`);
  });

  test('two photos of one name, and never over one that is there', async () => {
    const folder = await open();
    const taken = join(folder.config.data.dir, 'tagged/kitchen');
    await mkdir(taken, { recursive: true });
    await writeFile(join(taken, 'a.jpg'), 'precious');
    await folder.start();
    await folder.drop('a.jpg', 'kitchen one');
    await folder.idle(1);
    await folder.drop('a.jpg', 'kitchen two');
    await folder.idle(2);
    expect(await readFile(join(taken, 'a.jpg'), 'utf8')).toBe('precious');
    expect(await readFile(join(taken, 'a-2.jpg'), 'utf8')).toBe('kitchen one');
    expect(await readFile(join(taken, 'a-3.jpg'), 'utf8')).toBe('kitchen two');
    expect(await folder.tree('tagged/kitchen')).toEqual([
      'a-2.jpg',
      'a-2.jpg.json',
      'a-3.jpg',
      'a-3.jpg.json',
      'a.jpg',
    ]);
  });

  test('a backlog larger than the queue, each photo once', async () => {
    const folder = await open();
    await mkdir(folder.root);
    for (let n = 0; n < 300; n++) await folder.drop(`${n}.jpg`, `kitchen ${n}`);
    await folder.start();
    await folder.idle(300);
    expect(new Set(folder.daemon.tagger.seen).size).toBe(300);
    expect(folder.outcomes).toHaveLength(300);
    expect(await readdir(folder.root)).toEqual([]);
  });
});

test('what the kernel did not report is found by the rescan', async () => {
  const folder = await open({ rescan_s: 0.1 });
  const deaf = vi.spyOn(Watcher.prototype, 'add').mockReturnValue();
  onTestFinished(() => deaf.mockRestore());
  await folder.start();
  await mkdir(join(folder.root, 'sub'));
  await folder.drop('sub/a.jpg', 'kitchen');
  await folder.idle(1);
});

test('a folder that could not be watched is told, and no fault any more once it is', async () => {
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) });
  const folder = await open({ rescan_s: 0.1 }, undefined, undefined, log);
  const { add } = Watcher.prototype;
  const refused = vi.spyOn(Watcher.prototype, 'add');
  onTestFinished(() => refused.mockRestore());
  // A name that no kernel takes, in place of rights that root has everywhere.
  refused.mockImplementationOnce(function (this: Watcher, path) {
    add.call(this, Buffer.concat([path, Buffer.from(`/${'x'.repeat(300)}`)]));
  });
  await folder.start();
  await eventually(() => /only read every 0.1 s/.test(folder.door.health().detail));
  await eventually(() => / 1 folder\(s\) watched$/.test(folder.door.health().detail));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 40, reason: 'ENAMETOOLONG', msg: expect.stringMatching(/not watched/) },
    { level: 30, msg: 'all folders are watched now' },
  ]);
});

test('what the kernel tells of a subfolder is not taken for a photo in it', async () => {
  const folder = await open();
  await mkdir(join(folder.root, 'sub'), { recursive: true });
  await folder.start();
  await eventually(() => / 2 folder/.test(folder.door.health().detail));
  const hint = vi.spyOn(Looks.prototype, 'hint');
  onTestFinished(() => hint.mockRestore());
  await chmod(join(folder.root, 'sub'), 0o750);
  await eventually(() => hint.mock.calls.length > 0);
  // Without the right to enter it even a look at one that is not there fails, and is told.
  expect(hint.mock.calls.map(([path]) => `${path}`)).not.toContain(join(folder.root, 'sub/sub'));
  await folder.drop('sub/sub', 'kitchen');
  await folder.idle(1);
});

test('a subfolder that is deleted and made anew at once is watched as before', async () => {
  const folder = await open();
  await folder.start();
  const sub = join(folder.root, 'sub');
  for (let n = 0; n < 20; n++) {
    // In one go: when the notice of its end is here, another has its name.
    rmSync(sub, { recursive: true, force: true });
    mkdirSync(join(sub, 'sub'), { recursive: true });
    if (n % 2 === 0) await sleep(50);
    await folder.drop('sub/a.jpg', `kitchen ${n}`);
    await folder.drop('sub/sub/b.jpg', `hall ${n}`);
    await folder.idle(2 * n + 2);
  }
});

describe('a folder', () => {
  test('too deep to be entered is named', async () => {
    const folder = await open();
    await mkdir(join(folder.root, ...Array.from({ length: 66 }, (_, n) => `${n}`)), {
      recursive: true,
    });
    await folder.start();
    await eventually(() => /64: too many folders deep/.test(folder.door.health().detail));
  });
});

describe('after', () => {
  test('delete: a tagged photo is gone, a failed one is set aside', async () => {
    const folder = await open({ after: 'delete' });
    await folder.start();
    await folder.drop('a.jpg', 'kitchen');
    await folder.drop('b.jpg', 'image_corrupt');
    await folder.idle(2);
    expect(await readdir(folder.root)).toEqual([]);
    expect(await folder.tree('tagged')).toEqual([]);
    expect(await folder.tree('failed')).toEqual(['b.jpg', 'b.jpg.error.json']);
  });

  test('keep: photos stay, are tagged once, also over a restart, and again when changed', async () => {
    const first = await open({ after: 'keep' });
    await first.start();
    await first.drop('a.jpg', 'kitchen');
    await first.drop('b.jpg', 'image_unsupported');
    await first.drop(Buffer.from([0x61, 0xff]), 'hall');
    await first.idle(3);
    await first.close();
    expect(await first.tree('tagged')).toEqual(
      ['hall', 'hall/a\ufffd.json', 'kitchen', 'kitchen/a.jpg.json'].sort(),
    );
    expect(await first.tree('failed')).toEqual(['b.jpg.error.json']);

    const second = await open({ after: 'keep', rescan_s: 0.1 }, first.config.data.dir);
    await second.start();
    await rescanned();
    expect(second.outcomes).toEqual([]);
    await writeFile(join(second.root, 'a.jpg'), 'hall changed');
    await second.idle(1);
    expect(second.daemon.tagger.seen).toEqual(['hall changed']);
    expect(await second.tree('tagged/kitchen')).toEqual(['a.jpg.json']);
  });
});

test('keep: a disk that is away for a while has nothing tagged again, or never tagged', async () => {
  const tagger = new TextTagger();
  const folder = await open({ after: 'keep', rescan_s: 0.1 }, undefined, tagger);
  await folder.start();
  await folder.drop('a.jpg', 'kitchen');
  await folder.idle(1);
  // The disk goes, and its mount point is there, empty, before a worker has read the next photo.
  const away = `${folder.root}.away`;
  const pulled = vi.spyOn(tagger, 'tag').mockImplementationOnce(async () => {
    await rename(folder.root, away);
    await mkdir(folder.root);
    throw new RetaggerError('file_missing');
  });
  await folder.drop('b.jpg', 'hall');
  await folder.idle(2);
  await rescanned();
  await rm(folder.root, { recursive: true });
  await rename(away, folder.root);
  await folder.idle(3);
  await rescanned();
  expect(tagger.seen).toEqual(['kitchen', 'hall']);
  expect(pulled).toHaveBeenCalledTimes(2);
});

test.each(['move', 'keep'] as const)(
  'a folder swapped for a link while its file settles: nothing behind it is taken (%s)',
  async (after) => {
    const folder = await open({ after });
    const [sub, others] = [join(folder.root, 'sub'), join(folder.config.data.dir, 'others')];
    await mkdir(others);
    await writeFile(join(others, 'a.jpg'), 'kitchen');
    await folder.start();
    await mkdir(sub);
    await eventually(() => folder.door.health().detail.includes('2 folder(s)'));
    await writeFile(join(sub, 'a.jpg'), 'hall');
    await rename(sub, join(folder.root, '.away'));
    await symlink(others, sub);
    await folder.drop('b.jpg', 'hall');
    await folder.idle(1);
    await sleep(300);
    expect(folder.outcomes.map(({ photo }) => photo.file)).toEqual(['b.jpg']);
    expect(await readdir(others)).toEqual(['a.jpg']);
  },
);

/**
 * Does something once, when the door hands over the first photo: past its last look.
 * @returns resolves with what it is refused with.
 */
function beforeAccept(pipeline: Pipeline, act: () => Promise<unknown>): Promise<unknown> {
  const accept = pipeline.accept.bind(pipeline);
  return new Promise((resolve) => {
    vi.spyOn(pipeline, 'accept').mockImplementationOnce(async (photo) => {
      await act();
      const accepted = accept(photo);
      accepted.catch(resolve);
      return accepted;
    });
  });
}

test('a folder swapped for a link while its file is being taken: nothing behind it is', async () => {
  const folder = await open();
  const [sub, others] = [join(folder.root, 'sub'), join(folder.config.data.dir, 'others')];
  for (const place of [sub, others]) {
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'a.jpg'), 'kitchen');
  }
  const refused = beforeAccept(folder.daemon.pipeline, async () => {
    await rename(sub, join(folder.root, '.away'));
    await symlink(others, sub);
  });
  await folder.start();
  expect(await refused).toMatchObject({ code: 'file_missing' });
  expect(await readdir(others)).toEqual(['a.jpg']);
  expect(await folder.tree('spool')).toEqual([]);
});

test.each<[string, (path: string, secret: string) => unknown]>([
  ['link', (path, secret) => symlink(secret, path)],
  ['named pipe', (path) => execFileSync('mkfifo', [path])],
])(
  'a file that has to be copied, swapped for a %s in the last moment, is not opened',
  async (_, make) => {
    const folder = await open({ after: 'keep' });
    await mkdir(folder.root);
    const [odd, secret] = [
      Buffer.from('\xff.jpg', 'latin1'),
      join(folder.config.data.dir, 'secret'),
    ];
    await writeFile(secret, 'hall');
    await folder.drop(odd, 'kitchen');
    const refused = beforeAccept(folder.daemon.pipeline, async () => {
      const other = join(folder.root, '.other');
      await make(other, secret);
      await rename(other, Buffer.concat([Buffer.from(`${folder.root}/`), odd]));
    });
    await folder.start();
    expect(await refused).toMatchObject({ code: 'image_unsupported' });
    expect(folder.daemon.tagger.seen).toEqual([]);
  },
);

test('the watch folder may become a link to another one', async () => {
  const folder = await open({ rescan_s: 0.1 });
  await folder.start();
  const other = `${folder.root}-other`;
  renameSync(folder.root, other);
  symlinkSync(other, folder.root);
  await folder.drop('a.jpg', 'kitchen');
  await folder.idle(1);
  expect(folder.door.health()).toEqual({
    ok: true,
    detail: `${folder.root}: 1 folder(s) watched`,
  });
});

test('keep: a name that is no UTF-8 costs no open file where the photo is refused', async () => {
  const config = configIn(await temporaryDir(), { ingest: { settle_ms: 0, after: 'keep' } });
  await mkdir(config.ingest.dir);
  const path = Buffer.concat([Buffer.from(`${config.ingest.dir}/`), Buffer.from([0x61, 0xff])]);
  await writeFile(path, 'kitchen');
  let tries = 0;
  let taken = '';
  const pipeline: Pipeline = {
    accept: async ({ body }) => {
      if (++tries < 20) throw new RetaggerError('busy');
      if ('stream' in body) for await (const chunk of body.stream) taken += chunk;
      return { outcome: new Promise(() => {}), keep: async () => {} };
    },
    refusal: () => null,
    room: async () => {},
    onOutcome: () => () => {},
  };
  const door = new FolderDoor({ config, log: silent, pipeline });
  onTestFinished(() => door.stop());
  await door.start();
  await eventually(() => taken === 'kitchen');
  const open = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  expect(open.filter((file) => file.startsWith(`${config.ingest.dir}/`))).toEqual([]);
});

/** The door before a pipeline of which a test says what it does; files that are there count as whole. */
async function openBefore(
  pipeline: Partial<Pipeline>,
  names: readonly string[],
  ingest: Partial<RawConfig['ingest']> = {},
) {
  const config = configIn(await temporaryDir(), {
    ingest: { settle_ms: 0, rescan_s: 3600, ...ingest },
  });
  await mkdir(config.ingest.dir);
  for (const name of names) await writeFile(join(config.ingest.dir, name), 'kitchen');
  const whole: Pipeline = {
    accept: async () => taken,
    refusal: () => null,
    room: async () => {},
    onOutcome: () => () => {},
    ...pipeline,
  };
  const door = new FolderDoor({ config, log: silent, pipeline: whole });
  onTestFinished(() => door.stop());
  await door.start();
  return config.ingest.dir;
}
const taken = { outcome: new Promise<never>(() => {}), keep: async () => {} };

test.skipIf(!hasOtherDisk)(
  'on another disk what is too large is turned down once, and stays',
  async () => {
    const dir = join(await dirOnOtherDisk(), 'ingest');
    const folder = await open({ dir, rescan_s: 0.1 });
    await mkdir(dir);
    const path = join(dir, 'a.jpg');
    await writeFile(path, '');
    await truncate(path, folder.config.limits.upload_bytes + 1);
    await utimes(path, OLD, OLD);
    await folder.start();
    await folder.idle(1);
    await rescanned();
    expect(folder.outcomes).toMatchObject([{ ok: false, failure: { code: 'image_too_large' } }]);
    expect(await readdir(dir)).toEqual(['a.jpg']);
  },
);

test('a file that cannot be taken holds up no other, and is not tried without end', async () => {
  const tried: string[] = [];
  const names = ['1', '2', '3', '4', 'locked.jpg', '5', '6', '7', '8'];
  const accept: Pipeline['accept'] = async ({ file }) => {
    tried.push(file ?? '');
    if (file !== 'locked.jpg') return taken;
    throw new RetaggerError('busy', 'It cannot be moved.', { cause: new Error('EPERM') });
  };
  await openBefore({ accept }, names);
  await eventually(() => tried.length === names.length);
  expect(tried.sort()).toEqual(names.sort());
});

test('a photo that a failing disk does not take waits for it', async () => {
  let tries = 0;
  const accept: Pipeline['accept'] = async () => {
    if (++tries > 3) return taken;
    throw new RetaggerError('busy', 'It cannot be stored.', { cause: new Error('EIO') });
  };
  await openBefore({ accept, refusal: () => (tries > 3 ? null : 'disk_low') }, ['a.jpg']);
  await eventually(() => tries === 4);
});

test('without room nobody asks again and again', async () => {
  let tries = 0;
  const accept: Pipeline['accept'] = async () => {
    tries += 1;
    throw new RetaggerError('busy');
  };
  // Somebody else takes the first place; after that there is none.
  const room: Pipeline['room'] = async (_source, signal) => {
    if (tries > 0) await once(signal, 'abort').then(() => signal.throwIfAborted());
  };
  await openBefore({ accept, room }, ['a.jpg']);
  await eventually(() => tries > 0);
  await sleep(100);
  expect(tries).toBe(1);
});

test('a photo that is written over while it waits for room is taken as it is then', async () => {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let waits = false;
  const room = async () => {
    waits = true;
    await gate;
  };
  const ids: string[] = [];
  const accept: Pipeline['accept'] = async ({ id }) => {
    ids.push(id);
    return taken;
  };
  const root = await openBefore({ accept, room }, ['a.jpg']);
  await eventually(() => waits);
  await writeFile(join(root, 'a.jpg'), 'a hall, and larger');
  letGo();
  await eventually(() => ids.length > 0);
  expect(ids[0]).toBe(fileId(Buffer.from('a.jpg'), await lstat(join(root, 'a.jpg')), false));
});

test('keep: a file whose writer goes on while it is taken is one photo', async () => {
  const folder = await open({ after: 'keep' });
  const { spool } = folder.daemon;
  const add = spool.add.bind(spool);
  vi.spyOn(spool, 'add').mockImplementationOnce(async (...photo) => {
    await appendFile(join(folder.root, 'a.jpg'), ' and more');
    return add(...photo);
  });
  await folder.start();
  await folder.drop('a.jpg', 'kitchen');
  await eventually(() => folder.outcomes.length > 0 && folder.daemon.pipeline.length === 0);
  await sleep(300);
  expect(await folder.tree('tagged', 'kitchen')).toEqual(['a.jpg.json']);
  expect(folder.outcomes).toHaveLength(1);
});

test('keep: a photo whose message a crash left behind is not taken once more', async () => {
  const first = await open({ after: 'keep' });
  first.daemon.filing.file = () => Promise.reject(new Error('the power is gone'));
  await first.start();
  await first.drop('a.jpg', 'kitchen');
  await first.idle(1);
  await first.close();
  // As if the power had failed before it was written.
  await rm(join(first.config.data.dir, 'kept.ledger'));

  // As the daemon does: the door comes while the model loads.
  const config = configIn(first.config.data.dir, { ingest: { after: 'keep', rescan_s: 0.1 } });
  const { pipeline, spool, outbox, tagger } = build(config);
  const { entries } = await spool.open();
  const messages = await outbox.open(new Set(entries.map(({ key }) => key)));
  pipeline.recover({ entries, messages });
  const door = new FolderDoor({ config, log: silent, pipeline });
  onTestFinished(() => door.stop());
  const ready = door.start();
  await pipeline.start();
  await ready;
  await eventually(() => pipeline.length === 0);
  await first.drop('b.jpg', 'hall');
  await eventually(() => tagger.seen.length > 0);
  // These meet both.
  await rescanned();
  expect(tagger.seen).toEqual(['hall']);
});

test('keep: photos of other doors are none of those that are kept', async () => {
  const folder = await open({ after: 'keep' });
  await folder.start();
  const { outcome } = await folder.daemon.pipeline.accept({
    ...{ id: 'f'.repeat(32), source: 'http', file: null },
    ...{ receivedAt: new Date().toISOString(), body: { bytes: Buffer.from('hall') } },
  });
  await outcome;
  await folder.close();
  expect(await readdir(folder.config.data.dir)).not.toContain('kept.ledger');
});

describe('the folder itself', () => {
  test('below a disk that is taken out: not made anew on the one beneath', async () => {
    const dir = await temporaryDir();
    const folder = await open({ dir: join(dir, 'media/photos') }, dir);
    await folder.start();
    await rm(join(dir, 'media'), { recursive: true });
    await eventually(() => !folder.door.health().ok);
    await done(Root.prototype, 'look', 3);
    expect(folder.door.health().ok).toBe(false);
    expect(await readdir(dir)).not.toContain('media');
  });

  test('removed: says so or makes it anew, and goes on', async () => {
    const folder = await open();
    await folder.start();
    expect(folder.door.health().ok).toBe(true);
    await rm(folder.root, { recursive: true });
    await eventually(() =>
      readdir(folder.root).then(
        () => true,
        () => false,
      ),
    );
    await folder.drop('a.jpg', 'kitchen');
    await folder.idle(1);
    expect(folder.door.health().ok).toBe(true);
  });

  test('a link: other rights on what it leads to are no fault', async () => {
    const dir = await temporaryDir();
    const link = join(dir, 'link');
    await mkdir(join(dir, 'photos'));
    await symlink(join(dir, 'photos'), link);
    const folder = await open({ dir: link, rescan_s: 0.1 }, dir);
    await folder.start();
    await eventually(() => / 1 folder/.test(folder.door.health().detail));
    const hint = vi.spyOn(Looks.prototype, 'hint');
    onTestFinished(() => hint.mockRestore());
    await chmod(join(dir, 'photos'), 0o750);
    await eventually(() => hint.mock.calls.length > 0);
    await folder.drop('a.jpg', 'kitchen');
    await folder.idle(1);
    expect(folder.door.health().detail).toBe(`${link}: 1 folder(s) watched`);
  });

  test('away for a moment and back, with the same inode number', async () => {
    const folder = await open();
    await folder.start();
    await folder.drop('a.jpg', 'kitchen');
    await folder.idle(1);
    await rename(folder.root, `${folder.root}-away`);
    await sleep(100);
    await rename(`${folder.root}-away`, folder.root);
    await folder.drop('b.jpg', 'hall');
    await folder.idle(2);
  });

  test('not there (a disk that is not mounted): unhealthy until it comes', async () => {
    const dir = await temporaryDir();
    const folder = await open({ dir: join(dir, 'media/stick/photos') }, dir);
    await mkdir(join(dir, 'media'));
    await writeFile(join(dir, 'media/stick'), 'in the way');
    await folder.start();
    expect(folder.door.health()).toMatchObject({ ok: false });
    await rm(join(dir, 'media/stick'));
    await mkdir(folder.root, { recursive: true });
    await folder.drop('a.jpg', 'kitchen');
    await folder.idle(1);
    expect(folder.door.health()).toMatchObject({ ok: true });
  });
});

test('HTTP photos go ahead of a waiting backlog', async () => {
  const tagger = new TextTagger();
  tagger.concurrency = 1;
  const folder = await open({}, undefined, tagger);
  await mkdir(folder.root);
  for (let n = 0; n < 50; n++) await folder.drop(`${n}.jpg`, 'kitchen');
  tagger.hold();
  await folder.start();
  await eventually(() => folder.daemon.pipeline.length === 50);
  const { outcome } = await folder.daemon.pipeline.accept({
    id: 'h',
    source: 'http',
    file: null,
    receivedAt: new Date().toISOString(),
    body: { bytes: Buffer.from('hall') },
  });
  tagger.letGo();
  await outcome;
  expect(tagger.seen.indexOf('hall')).toBeLessThan(3);
  await folder.idle(51);
});
