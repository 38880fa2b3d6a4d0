import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Accepted, NewPhoto, Outcome } from '../../../src/daemon/ports.ts';
import type { Source } from '../../../src/result.ts';
import {
  build,
  configIn,
  dirOnOtherDisk,
  eventually,
  hasOtherDisk,
  hurryTimers,
  TextTagger,
  temporaryDir,
} from '../support.ts';

let count = 0;
const photo = (source: Source, text: string, id = `p${++count}`): NewPhoto => ({
  id,
  source,
  file: `${id}.jpg`,
  receivedAt: new Date().toISOString(),
  body: { bytes: Buffer.from(text) },
});

const ls = (...path: string[]) => readdir(join(...path)).catch(() => [] as string[]);

describe('a photo accepted', () => {
  test('becomes a result, in the outbox and for the caller', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    const { outcome } = await daemon.pipeline.accept(photo('http', 'kitchen', 'a'));
    expect(await outcome).toMatchObject({
      ok: true,
      result: {
        id: 'a',
        node: 'box',
        source: 'http',
        file: 'a.jpg',
        tag: 'kitchen',
        model: 'text@1',
        engine: 'wasm',
        width: 4,
        ms: { decode: 1, infer: 2 },
      },
    });
    const [entry] = await daemon.outbox.take(5);
    expect(entry).toMatchObject({ late: false, message: { kind: 'result', payload: { id: 'a' } } });
    await eventually(() => daemon.pipeline.length === 0);
    expect(await ls(daemon.spool.dir)).toEqual([]);
  });

  test('becomes a failure with the code of its fault', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    const { outcome } = await daemon.pipeline.accept(photo('mqtt', 'image_unsupported', 'b'));
    expect(await outcome).toMatchObject({
      ok: false,
      failure: { id: 'b', source: 'mqtt', file: 'b.jpg', code: 'image_unsupported' },
    });
    expect(await daemon.outbox.take(5)).toMatchObject([{ message: { kind: 'error' } }]);
  });

  test('of no bytes is corrupt, of too many bytes too large, without a worker', async () => {
    const config = configIn(await temporaryDir(), { limits: { upload_bytes: 1024 } });
    const daemon = build(config);
    await daemon.start();
    const empty = await daemon.pipeline.accept(photo('mqtt', ''));
    expect(await empty.outcome).toMatchObject({ failure: { code: 'image_corrupt' } });
    const large = 'kitchen'.padEnd(1025);
    await expect(daemon.pipeline.accept(photo('mqtt', large))).rejects.toMatchObject({
      code: 'image_too_large',
    });
    await mkdir(config.ingest.dir);
    const file = join(config.ingest.dir, 'x.jpg');
    await writeFile(file, large);
    const moved = await daemon.pipeline.accept({ ...photo('folder', ''), body: { move: file } });
    expect(await moved.outcome).toMatchObject({ failure: { code: 'image_too_large' } });
    await eventually(() => daemon.pipeline.length === 0);
    expect(daemon.tagger.seen).toEqual([]);
    expect(await ls(config.data.dir, 'failed')).toHaveLength(2);
    await writeFile(file, 'kitchen'.padEnd(1024));
    const allowed = await daemon.pipeline.accept({ ...photo('folder', ''), body: { move: file } });
    expect(await allowed.outcome).toMatchObject({ ok: true });
  });

  test.each([
    [2, 'is tagged where the third try reads it'],
    [3, 'is a failure then'],
  ])('and not read on %i tries, where the disk fails, %s', async (faults) => {
    hurryTimers();
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    const { tagger } = daemon;
    const tag = vi.spyOn(tagger, 'tag');
    for (let n = 0; n < faults; n++) tag.mockRejectedValueOnce(new Error('EIO: i/o error, read'));
    const { outcome } = await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    expect(await outcome).toMatchObject(
      faults < 3 ? { ok: true } : { failure: { code: 'internal' } },
    );
  });

  test('with the id and bytes of one that is pending is the same photo', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    daemon.tagger.hold();
    const twice = await Promise.all([
      daemon.pipeline.accept(photo('mqtt', 'kitchen', 'same')),
      daemon.pipeline.accept(photo('mqtt', 'kitchen', 'same')),
    ]);
    const late = await daemon.pipeline.accept(photo('mqtt', 'kitchen', 'same'));
    const other = await daemon.pipeline.accept(photo('mqtt', 'hall', 'same'));
    daemon.tagger.letGo();
    const [one, ...more] = await Promise.all([...twice, late].map(({ outcome }) => outcome));
    expect(more).toEqual([one, one]);
    expect(await other.outcome).toMatchObject({ result: { tag: 'hall' } });
    await eventually(() => daemon.pipeline.length === 0);
    expect(daemon.outbox.length).toBe(2);
    // Of what has ended nothing is left to be taken for.
    const again = await daemon.pipeline.accept(photo('mqtt', 'kitchen', 'same'));
    expect(await again.outcome).not.toBe(one);
    await eventually(() => daemon.pipeline.length === 0);
    expect(daemon.outbox.length).toBe(3);
  });

  test('kept when its outcome is known already leaves nothing in the spool', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    let file = () => {};
    daemon.filing.file = () =>
      new Promise((resolve) => {
        file = resolve;
      });
    const { outcome, keep } = await daemon.pipeline.accept(photo('http', 'kitchen'));
    await outcome;
    await keep();
    file();
    await eventually(() => daemon.pipeline.length === 0);
    expect(await ls(daemon.spool.dir)).toEqual([]);
  });

  test('that was refused may come again', async () => {
    const config = configIn(await temporaryDir());
    const daemon = build(config);
    await daemon.start();
    const file = join(config.data.dir, 'a.jpg');
    const each = { ...photo('mqtt', ''), body: { move: file } };
    await expect(daemon.pipeline.accept(each)).rejects.toMatchObject({ code: 'file_missing' });
    await writeFile(file, 'kitchen');
    expect(await (await daemon.pipeline.accept(each)).outcome).toMatchObject({ ok: true });
  });

  test('is heard of by every listener, whatever another does', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    daemon.pipeline.onOutcome(() => {
      throw new Error('a fault of ours');
    });
    const heard: string[] = [];
    daemon.pipeline.onOutcome((outcome) => heard.push(outcome.photo.id));
    const { outcome } = await daemon.pipeline.accept(photo('http', 'kitchen', 'a'));
    expect(await outcome).toMatchObject({ ok: true });
    expect(heard).toEqual(['a']);
  });

  test('waits where the model cannot be loaded, and no other is taken meanwhile', async () => {
    const tagger = new TextTagger();
    const daemon = build(configIn(await temporaryDir()), tagger);
    await daemon.start();
    tagger.hold();
    const { outcome } = await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    tagger.state = 'failed';
    expect(daemon.pipeline.refusal('mqtt')).toBe('not_ready');
    tagger.state = 'ready';
    tagger.letGo();
    expect(await outcome).toMatchObject({ ok: true });
  });
});

describe('order', () => {
  test('HTTP goes first, yet the folder does not starve', async () => {
    const config = configIn(await temporaryDir());
    const tagger = new TextTagger();
    tagger.concurrency = 1;
    const daemon = build(config, tagger);
    await daemon.start();
    tagger.hold();
    const outcomes: Promise<Outcome>[] = [];
    const accept = async (source: Source, text: string) =>
      outcomes.push((await daemon.pipeline.accept(photo(source, text))).outcome);
    await accept('mqtt', 'kitchen first');
    await accept('mqtt', 'kitchen old');
    for (let n = 0; n < 12; n++) await accept('http', `hall ${n}`);
    tagger.letGo();
    await Promise.all(outcomes);
    expect(tagger.seen.slice(0, 3)).toEqual(['kitchen first', 'hall 0', 'hall 1']);
    const turn = tagger.seen.indexOf('kitchen old');
    expect(turn).toBeGreaterThan(3);
    expect(turn).toBeLessThan(13);
    expect(tagger.most).toBe(1);
  });
});

test('the tagger does not wait for the disk', async () => {
  const tagger = new TextTagger();
  tagger.concurrency = 1;
  const daemon = build(configIn(await temporaryDir()), tagger);
  await daemon.start();
  daemon.filing.file = () => new Promise(() => {});
  for (let n = 0; n < 2; n++) {
    const { outcome } = await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    expect(await outcome).toMatchObject({ ok: true });
  }
});

describe('bounds', () => {
  test('each source has its share of the queue; the rest is refused or waits', async () => {
    const config = configIn(await temporaryDir(), { limits: { queue: 8 } });
    const daemon = build(config);
    await daemon.start();
    daemon.tagger.hold();
    for (let n = 0; n < 4; n++) await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    expect(daemon.pipeline.refusal('mqtt')).toBe('queue_full');
    expect(daemon.pipeline.refusal('http')).toBeNull();
    await expect(daemon.pipeline.accept(photo('mqtt', 'kitchen'))).rejects.toMatchObject({
      code: 'busy',
      status: 503,
    });
    for (let n = 0; n < 4; n++) await daemon.pipeline.accept(photo('http', 'kitchen'));
    expect(daemon.pipeline.refusal('http')).toBe('queue_full');
    expect(daemon.pipeline.health().queue).toEqual({ ok: false, detail: '8 of 8' });
    const room = daemon.pipeline.room('folder', new AbortController().signal);
    daemon.tagger.letGo();
    await room;
    expect(daemon.pipeline.refusal('folder')).toBeNull();
    await eventually(() => daemon.pipeline.length === 0);
  });

  test('who waits for room hears of a photo that ends, not of the time', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const daemon = build(configIn(await temporaryDir(), { limits: { queue: 2 } }));
    await daemon.start();
    daemon.tagger.hold();
    await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    let heard = false;
    void daemon.pipeline.room('mqtt', new AbortController().signal).then(() => {
      heard = true;
    });
    daemon.tagger.letGo();
    await eventually(() => daemon.pipeline.length === 0);
    expect(heard).toBe(true);
  });

  test('a burst handed in at once does not get past them', async () => {
    const daemon = build(configIn(await temporaryDir(), { limits: { queue: 4 } }));
    await daemon.start();
    daemon.tagger.hold();
    const burst = await Promise.allSettled(
      Array.from({ length: 20 }, () => daemon.pipeline.accept(photo('http', 'kitchen'))),
    );
    expect(burst.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    daemon.tagger.letGo();
    await eventually(() => daemon.pipeline.length === 0);
  });

  test('a full outbox refuses before anything is lost', async () => {
    const daemon = build(configIn(await temporaryDir(), { limits: { outbox: 2 } }));
    await daemon.start();
    for (let n = 0; n < 2; n++) {
      await (await daemon.pipeline.accept(photo('http', 'kitchen'))).outcome;
      await eventually(() => daemon.pipeline.length === 0);
    }
    expect(daemon.pipeline.refusal('http')).toBe('outbox_full');
    expect(daemon.pipeline.health().outbox).toEqual({ ok: false, detail: '2 of 2' });
    const [entry] = await daemon.outbox.take(1);
    if (entry) await daemon.outbox.remove(entry);
    await daemon.pipeline.room('http', AbortSignal.timeout(5000));
    expect(daemon.outbox.length).toBe(1);
  });

  test('an upload that breaks off leaves nothing and frees its place', async () => {
    const daemon = build(configIn(await temporaryDir(), { limits: { queue: 1 } }));
    await daemon.start();
    const stream = Readable.from(
      (async function* () {
        yield Buffer.from('kit');
        throw new Error('connection reset');
      })(),
    );
    await expect(
      daemon.pipeline.accept({ ...photo('http', ''), body: { stream } }),
    ).rejects.toMatchObject({ code: 'request_invalid' });
    expect(await ls(daemon.spool.dir)).toEqual([]);
    expect(daemon.pipeline.refusal('http')).toBeNull();
  });
});

describe('stop and start', () => {
  test('nothing is accepted before the spool has been read: it would look like a left-over', async () => {
    const daemon = build(configIn(await temporaryDir()));
    expect(daemon.pipeline.refusal('http')).toBe('not_ready');
    await expect(daemon.pipeline.accept(photo('http', 'hall'))).rejects.toMatchObject({
      code: 'busy',
    });
    await daemon.start();
    expect(daemon.pipeline.refusal('http')).toBeNull();
  });

  test('what was not tagged is tagged after a restart, HTTP callers hear "stopping"', async () => {
    const config = configIn(await temporaryDir());
    const first = build(config);
    await first.start();
    first.tagger.hold();
    const ids = ['m1', 'm2', 'm3'];
    for (const id of ids) await first.pipeline.accept(photo('mqtt', 'kitchen', id));
    const { outcome } = await first.pipeline.accept(photo('http', 'hall'));
    await first.crash();
    await expect(outcome).rejects.toMatchObject({ code: 'stopping' });
    // What the tagger was busy with comes back from it: that is no outcome.
    await first.tagger.stop();
    await sleep(100);
    expect(first.pipeline.refusal('http')).toBe('stopping');

    const second = build(config);
    const ended: string[] = [];
    second.pipeline.onOutcome(({ photo: { id } }) => ended.push(id));
    await second.start();
    await eventually(() => second.pipeline.length === 0);
    expect(ended.sort()).toEqual(ids);
    expect(await ls(second.spool.dir)).toEqual([]);
  });

  test('stop lets what is with the tagger end, and HTTP callers get their answer', async () => {
    const tagger = new TextTagger();
    tagger.concurrency = 1;
    const daemon = build(configIn(await temporaryDir()), tagger);
    await daemon.start();
    tagger.hold();
    const inside = await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    const parked = await daemon.pipeline.accept(photo('mqtt', 'hall', 'parked'));
    const waiting = await daemon.pipeline.accept(photo('http', 'hall'));
    const stopped = daemon.pipeline.stop();
    tagger.letGo();
    await stopped;
    expect(await inside.outcome).toMatchObject({ ok: true });
    expect(await waiting.outcome).toMatchObject({ ok: true });
    await expect(parked.outcome).rejects.toMatchObject({ code: 'stopping' });
    expect((await ls(daemon.spool.dir)).filter((name) => name.endsWith('.json'))).toHaveLength(1);
  });

  test('stop waits for what is with the tagger, until it is filed', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    daemon.tagger.hold();
    const file = daemon.filing.file.bind(daemon.filing);
    daemon.filing.file = async (...args) => {
      await sleep(300);
      await file(...args);
    };
    await daemon.pipeline.accept(photo('mqtt', 'kitchen'));
    const stopped = daemon.pipeline.stop();
    setTimeout(() => daemon.tagger.letGo(), 50);
    await stopped;
    expect(daemon.outbox.length).toBe(1);
    expect(await ls(daemon.spool.dir)).toEqual([]);
  });

  test('stop waits for an upload that was being taken in', async () => {
    const daemon = build(configIn(await temporaryDir()));
    await daemon.start();
    const stream = new Readable({ read: () => {} });
    const accepting = daemon.pipeline.accept({ ...photo('http', ''), body: { stream } });
    const stopped = daemon.pipeline.stop();
    setTimeout(() => stream.push('kitchen') && stream.push(null), 50);
    await stopped;
    expect(await (await accepting).outcome).toMatchObject({ ok: true });
  });

  test('after its deadline nothing more is begun', async () => {
    const tagger = new TextTagger();
    tagger.concurrency = 1;
    const daemon = build(configIn(await temporaryDir()), tagger);
    await daemon.start();
    const ended: string[] = [];
    daemon.pipeline.onOutcome((outcome) => ended.push(outcome.photo.id));
    tagger.hold();
    for (const id of ['a', 'b']) await daemon.pipeline.accept(photo('http', 'kitchen', id));
    await eventually(() => tagger.seen.length === 1);
    await daemon.pipeline.stop(0);
    expect(await ls(daemon.spool.dir)).toEqual([]);
    tagger.letGo();
    await eventually(() => ended.length > 0);
    await sleep(100);
    expect(ended).toEqual(['a']);
  });

  test('a photo whose message is on disk is filed after a crash, not tagged again', async () => {
    const config = configIn(await temporaryDir());
    await mkdir(config.ingest.dir);
    const file = join(config.ingest.dir, 'a.jpg');
    await writeFile(file, 'kitchen');
    const first = build(config);
    first.filing.file = () => new Promise(() => {});
    await first.start();
    const { outcome } = await first.pipeline.accept({
      ...photo('folder', '', 'f1'),
      file: 'a.jpg',
      body: { move: file },
    });
    await outcome;
    // The broker is faster than the disk: acknowledged, but the message stays until the filing.
    for (const entry of await first.outbox.take(5)) await first.outbox.remove(entry);
    void first.crash();
    // Once more in the next life.
    const amid = build(config);
    amid.filing.file = () => new Promise(() => {});
    await amid.start();
    for (const entry of await amid.outbox.take(5)) await amid.outbox.remove(entry);
    void amid.crash();

    const second = build(config);
    await second.start();
    await eventually(() => second.pipeline.length === 0);
    expect([...amid.tagger.seen, ...second.tagger.seen]).toEqual([]);
    expect(await ls(config.data.dir, 'tagged', 'kitchen')).toEqual(['a.jpg', 'a.jpg.json']);
    const sidecar = await readFile(join(config.data.dir, 'tagged/kitchen/a.jpg.json'), 'utf8');
    expect(JSON.parse(sidecar)).toMatchObject({ id: 'f1', tag: 'kitchen' });
    expect(second.outbox.length).toBe(1);
  });
});

const readOnly = Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });

describe('a disk that does not take an outcome', () => {
  async function held(source: Source) {
    const config = configIn(await temporaryDir());
    const daemon = build(config);
    await daemon.start();
    daemon.tagger.hold();
    const file = join(config.data.dir, 'a.jpg');
    await writeFile(file, 'kitchen');
    const body = source === 'folder' ? { move: file } : { bytes: Buffer.from('kitchen') };
    const { outcome } = await daemon.pipeline.accept({ ...photo(source, '', 'a'), body });
    await eventually(() => daemon.tagger.seen.length === 1);
    return { config, daemon, outcome };
  }

  /** What is in the way of a write, a new folder or a removal, also for root. */
  async function blocked(place: string, make: (place: string) => Promise<unknown>) {
    await rename(place, `${place}.away`).catch(() => {});
    await make(place);
    return async () => {
      await rm(place, { recursive: true });
      await rename(`${place}.away`, place).catch(() => {});
    };
  }
  const aFile = (place: string) => writeFile(place, 'in the way');
  /** Nobody can make files there. */
  const notOurs = (place: string) => symlink('/sys', place);

  test.each<[string, Source, (place: string) => Promise<unknown>]>([
    ['outbox', 'mqtt', aFile],
    ['tagged', 'folder', aFile],
    ['spool/*.upload', 'mqtt', mkdir],
  ])('is asked until it does: %s', async (at, source, obstacle) => {
    const { config, daemon, outcome } = await held(source);
    const [upload = ''] = (await ls(daemon.spool.dir)).filter((name) => name.endsWith('.upload'));
    const unblock = await blocked(join(config.data.dir, at.replace('*.upload', upload)), obstacle);
    daemon.tagger.letGo();
    if (obstacle === aFile) {
      await eventually(() => daemon.pipeline.refusal('http') === 'disk_low');
    } else await outcome;
    await sleep(100);
    expect(daemon.pipeline.length).toBe(1);
    await unblock();
    await eventually(() => daemon.pipeline.length === 0);
    expect(await outcome).toMatchObject({ ok: true });
    expect(daemon.outbox.length).toBe(1);
    expect((await ls(daemon.spool.dir)).filter((name) => name.endsWith('.json'))).toEqual([]);
  });

  test('of one label alone: named, nobody else is held up, and no restart is called for', async () => {
    const { config, daemon, outcome } = await held('folder');
    const unblock = await blocked(join(config.data.dir, 'tagged'), async (place) => {
      await mkdir(place);
      await notOurs(join(place, 'kitchen'));
    });
    daemon.tagger.letGo();
    await outcome;
    const detail = () => daemon.pipeline.health().queue.detail;
    await eventually(() => /^1 of \d+; 1 held up by the disk: E\w+: .*kitchen/.test(detail()));
    expect([daemon.pipeline.length, daemon.pipeline.underWay]).toEqual([1, 0]);
    const other = join(config.data.dir, 'b.jpg');
    await writeFile(other, 'hall');
    const body = { move: other };
    await daemon.pipeline.accept({ ...photo('folder', '', 'b'), body });
    await eventually(() => existsSync(join(config.data.dir, 'tagged/hall/b.jpg')));
    await unblock();
    await eventually(() => daemon.pipeline.length === 0);
    expect(detail()).toMatch(/^0 of \d+$/);
  });

  test('nor that of many others: no warning of listeners', async () => {
    const { config, daemon } = await held('mqtt');
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    for (let n = 0; n < 20; n++) await daemon.pipeline.accept(photo('mqtt', `kitchen ${n}`));
    await blocked(join(config.data.dir, 'outbox'), notOurs);
    daemon.tagger.letGo();
    await eventually(() => daemon.tagger.seen.length === 21);
    await sleep(100);
    await daemon.pipeline.stop(0);
    expect(warnings).toEqual([]);
  });

  test('is asked no more after the stop; the next start files the photo, once', async () => {
    const { config, daemon } = await held('folder');
    const unblock = await blocked(join(config.data.dir, 'tagged'), aFile);
    daemon.tagger.letGo();
    await eventually(() => daemon.outbox.length === 1);
    await daemon.pipeline.stop(0);
    await eventually(() => daemon.pipeline.length === 0);
    await unblock();
    const second = build(config);
    await second.start();
    await eventually(() => second.pipeline.length === 0);
    expect(second.tagger.seen).toEqual([]);
    expect(second.outbox.length).toBe(1);
    expect(await ls(config.data.dir, 'tagged/kitchen')).toEqual(['a.jpg', 'a.jpg.json']);
  });

  test('of an HTTP caller: it hears "busy", and nothing of its photo stays', async () => {
    const { config, daemon, outcome } = await held('http');
    await blocked(join(config.data.dir, 'outbox'), notOurs);
    daemon.tagger.letGo();
    await expect(outcome).rejects.toMatchObject({ code: 'busy' });
    await eventually(() => daemon.pipeline.refusal('http') === 'disk_low');
    await eventually(() => daemon.pipeline.length === 0);
    expect(await ls(daemon.spool.dir)).toEqual([]);
  });

  test('nor lets it go: nothing of its photo stays once it does', async () => {
    const { config, daemon, outcome } = await held('http');
    await blocked(join(config.data.dir, 'outbox'), notOurs);
    const remove = vi.spyOn(daemon.spool, 'remove').mockRejectedValueOnce(readOnly);
    daemon.tagger.letGo();
    await expect(outcome).rejects.toMatchObject({ code: 'busy' });
    await eventually(() => daemon.pipeline.length === 0);
    expect(remove).toHaveBeenCalled();
    expect(daemon.spool.bytes).toBe(0);
    expect(await ls(daemon.spool.dir)).toEqual([]);
  });

  test('nor a photo: nothing more is accepted from when its sender hears of it', async () => {
    const config = configIn(await temporaryDir());
    const daemon = build(config);
    await daemon.start();
    const unblock = await blocked(join(config.data.dir, 'spool'), notOurs);
    const refused = await daemon.pipeline.accept(photo('mqtt', 'kitchen', 'a')).catch((error) => ({
      code: error.code,
      since: daemon.pipeline.refusal('mqtt'),
    }));
    expect(refused).toEqual({ code: 'busy', since: 'disk_low' });
    await unblock();
    await daemon.admission.measure();
    const { outcome } = await daemon.pipeline.accept(photo('mqtt', 'kitchen', 'a'));
    expect(await outcome).toMatchObject({ ok: true });
  });
});

describe('a damaged photo of the folder', () => {
  test.each([
    ['renamed into the spool', () => temporaryDir(), ['image_corrupt', 'worker_crashed']],
    ...(hasOtherDisk ? [['copied into it', dirOnOtherDisk, ['worker_crashed']] as const] : []),
  ] as const)(
    '%s is set aside, also after a restart and where its place is empty',
    async (_, place, codes) => {
      for (const code of codes) {
        const config = configIn(await temporaryDir(), { ingest: { settle_ms: 0 } });
        const file = join(await place(), 'a.jpg');
        await writeFile(file, code);
        const first = build(config);
        await first.start();
        first.tagger.hold();
        await first.pipeline.accept({
          ...photo('folder', ''),
          file: 'a.jpg',
          body: { move: file },
        });
        await first.pipeline.stop(0);
        await rm(file, { force: true });
        const second = build(config);
        await second.start();
        await eventually(() => second.pipeline.length === 0);
        expect(await ls(config.data.dir, 'failed')).toEqual(['a.jpg', 'a.jpg.error.json']);
        expect(second.outbox.length).toBe(1);
      }
    },
  );
});

/** A watched file and a daemon that has not seen it. */
async function slowFile(content: string, settle_ms: number) {
  const config = configIn(await temporaryDir(), { ingest: { settle_ms } });
  const file = join(config.data.dir, 'slow.jpg');
  await writeFile(file, content);
  const daemon = build(config);
  await daemon.start();
  return {
    daemon,
    accept: () => daemon.pipeline.accept({ ...photo('folder', ''), body: { move: file } }),
    /** Where it is once it has been taken: its writer has it open there. */
    taken: async () => {
      const [name = ''] = (await ls(daemon.spool.dir)).filter((each) => each.endsWith('.photo'));
      return join(daemon.spool.dir, name);
    },
  };
}

describe('a watched file still being written', () => {
  test('is tried again once its writer is done', async () => {
    const { daemon, accept, taken } = await slowFile('image_corrupt', 20);
    daemon.tagger.hold();
    const { outcome } = await accept();
    await eventually(() => daemon.tagger.seen.length === 1);
    await writeFile(await taken(), 'kitchen and more');
    daemon.tagger.letGo();
    expect(await outcome).toMatchObject({ ok: true, result: { tag: 'kitchen' } });
  });

  test('may have been empty at first', async () => {
    const { accept, taken } = await slowFile('', 20);
    const { outcome } = await accept();
    await writeFile(await taken(), 'kitchen');
    expect(await outcome).toMatchObject({ ok: true, result: { tag: 'kitchen' } });
  });

  test('calls for no restart: it waits for its writer', async () => {
    const { daemon, accept } = await slowFile('image_corrupt', 50);
    const { outcome } = await accept();
    await eventually(() => daemon.pipeline.underWay === 0);
    expect(daemon.pipeline.length).toBe(1);
    expect(await outcome).toMatchObject({ ok: false });
  });

  test('and damaged when its writer is done is damaged', async () => {
    const { daemon, accept, taken } = await slowFile('image_corrupt', 0);
    daemon.tagger.hold();
    const { outcome } = await accept();
    await appendFile(await taken(), ' and more');
    daemon.tagger.letGo();
    expect(await outcome).toMatchObject({ ok: false, failure: { code: 'image_corrupt' } });
    expect(daemon.tagger.seen.length).toBeLessThan(4);
  });

  test.skipIf(!hasOtherDisk).each([
    ['before the whole is taken', false],
    ['after the whole has been filed', true],
  ])('on another disk: half a copy is no photo, judged %s', async (_, late) => {
    const config = configIn(await temporaryDir(), { ingest: { settle_ms: 20 } });
    const file = join(await dirOnOtherDisk(), 'slow.jpg');
    await writeFile(file, 'image_corrupt');
    const daemon = build(config);
    await daemon.start();
    daemon.tagger.hold();
    await daemon.pipeline.accept({ ...photo('folder', '', 'f1'), body: { move: file } });
    await eventually(() => daemon.tagger.seen.length === 1);
    await writeFile(file, 'kitchen and more');
    // A damaged copy is looked at once more, ten settle times later.
    if (late) daemon.tagger.letGo();
    else await letHalfEnd(daemon);
    const whole = { ...photo('folder', '', 'f2'), body: { move: file } };
    const { outcome } = await daemon.pipeline.accept(whole);
    expect(await outcome).toMatchObject({ ok: true, result: { tag: 'kitchen' } });
    await eventually(() => daemon.pipeline.length === 0);
    await expect(readFile(file)).rejects.toThrow('ENOENT');
    expect(daemon.outbox.length).toBe(1);
    expect(await ls(daemon.spool.dir)).toEqual([]);
    expect(await ls(config.data.dir, 'failed')).toEqual([]);
  });

  test('where it stays: one photo, as it is when its writer is done', async () => {
    const config = configIn(await temporaryDir(), { ingest: { settle_ms: 20, after: 'keep' } });
    await mkdir(config.ingest.dir);
    const file = join(config.ingest.dir, 'slow.jpg');
    const daemon = build(config);
    await daemon.start();
    const outcomes: Outcome[] = [];
    daemon.pipeline.onOutcome((outcome) => outcomes.push(outcome));
    const accepted: Accepted[] = [];
    // States of one file, each taken under an id of its own. Who asked by MQTT waits for an answer.
    for (const [source, id, text] of [
      ['folder', 'f1', 'image_corrupt'],
      ['mqtt', 'm', 'image_corrupt more'],
      ['folder', 'f2', 'image_corrupt and more'],
      ['folder', 'f3', 'kitchen and all of it'],
    ] as const) {
      await writeFile(file, text);
      const body = { keep: file };
      accepted.push(await daemon.pipeline.accept({ ...photo(source, '', id), body }));
    }
    await eventually(() => daemon.pipeline.length === 0);
    await expect(accepted[0]?.outcome).rejects.toMatchObject({ code: 'file_missing' });
    expect(outcomes.map(({ photo: { id } }) => id).sort()).toEqual(['f3', 'm']);
  });
});

test('a file that was named by MQTT and is gone after a restart: its sender hears of it', async () => {
  const config = configIn(await temporaryDir());
  const file = join(config.data.dir, 'a.jpg');
  await writeFile(file, 'kitchen');
  const first = build(config);
  await first.start();
  first.tagger.hold();
  await first.pipeline.accept({ ...photo('mqtt', '', 'm1'), body: { keep: file } });
  await first.pipeline.stop(0);
  await rm(file);
  const second = build(config);
  await second.start();
  await eventually(() => second.pipeline.length === 0);
  const [entry] = await second.outbox.take(1);
  expect(entry?.message).toMatchObject({ kind: 'error', payload: { id: 'm1' } });
});

async function letHalfEnd({ tagger, pipeline, spool }: ReturnType<typeof build>): Promise<void> {
  tagger.letGo();
  await eventually(() => pipeline.length === 0);
  expect(await ls(spool.dir)).toEqual([]);
}
