import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { disk } from '../../../src/daemon/disk.ts';
import { HomeDisk } from '../../../src/daemon/home-disk.ts';
import { DiskOutbox } from '../../../src/daemon/outbox/outbox.ts';
import type { Message, OutboxEntry } from '../../../src/daemon/ports.ts';
import { FileStore } from '../../../src/daemon/store.ts';
import { holds } from '../../property.ts';
import { eventually, silent, temporaryDir } from '../support.ts';

const message = (id: string): Message => ({
  kind: 'error',
  payload: { id, source: 'mqtt', file: null, code: 'image_corrupt', message: '' },
});
const ids = (entries: readonly OutboxEntry[]) => entries.map((entry) => entry.message.payload.id);
const none = new Set<string>();

async function outboxDir(): Promise<string> {
  const dir = join(await temporaryDir(), 'outbox');
  await mkdir(dir);
  return dir;
}

async function opened(dir: string): Promise<DiskOutbox> {
  const outbox = new DiskOutbox(new HomeDisk(dirname(dir)), silent);
  await outbox.open(none);
  return outbox;
}

async function putAll(outbox: DiskOutbox, ...names: string[]): Promise<void> {
  for (const name of names) await outbox.put(message(name));
}

/** A photo whose filing the test ends. */
function filing() {
  let filed = () => {};
  const until = new Promise<void>((resolve) => {
    filed = resolve;
  });
  return { until, filed };
}

/** The next call does its work, and does not return before the test says so. */
function slow(name: 'put' | 'remove') {
  const store = FileStore.prototype as unknown as Record<
    string,
    (...args: unknown[]) => Promise<unknown>
  >;
  const { until: gate, filed: go } = filing();
  const { until: done, filed: worked } = filing();
  const real = store[name];
  const spy = vi.spyOn(store, name).mockImplementationOnce(async function (this: unknown, ...args) {
    const result = await real?.apply(this, args);
    worked();
    await gate;
    return result;
  });
  onTestFinished(() => spy.mockRestore());
  return { done, go };
}

describe('an outbox', () => {
  test('gives each message once, oldest first, and tells when one was put', async () => {
    const outbox = await opened(await outboxDir());
    const told = vi.fn();
    const off = outbox.onPut(told);
    await putAll(outbox, 'a', 'b', 'c');
    off();
    await putAll(outbox, 'd');
    expect(told).toHaveBeenCalledTimes(3);
    expect(ids(await outbox.take(2))).toEqual(['a', 'b']);
    expect(ids(await outbox.take(9))).toEqual(['c', 'd']);
    expect(await outbox.take(9)).toEqual([]);
    expect(outbox.length).toBe(4);
  });

  test('forgets what was removed, and gives the rest again after a lost connection, as late', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    await putAll(outbox, 'a', 'b', 'c');
    const [first] = await outbox.take(2);
    await outbox.remove(first as OutboxEntry);
    await outbox.remove(first as OutboxEntry);
    expect(outbox.length).toBe(2);
    outbox.release();
    await putAll(outbox, 'while away');
    const again = await outbox.take(9);
    expect(ids(again)).toEqual(['b', 'c', 'while away']);
    expect(again.every((entry) => entry.late)).toBe(true);
    await putAll(outbox, 'new');
    expect(await outbox.take(9)).toMatchObject([{ late: false }]);
  });

  test('finds after a restart what was not removed', async () => {
    const dir = await outboxDir();
    const first = await opened(dir);
    await putAll(first, 'a', 'b', 'c');
    await first.remove((await first.take(1))[0] as OutboxEntry);
    const second = await opened(dir);
    expect(second.length).toBe(2);
    await putAll(second, 'd');
    const entries = await second.take(9);
    expect(entries.map((entry) => [entry.message.payload.id, entry.late])).toEqual([
      ['b', true],
      ['d', false],
      ['c', true],
    ]);
  });

  test('serves the backlog and the new in turn, each oldest first', async () => {
    const dir = await outboxDir();
    await putAll(await opened(dir), '1', '2', '3', '4', '5');
    const outbox = await opened(dir);
    await putAll(outbox, 'x', 'y');
    const order = [...ids(await outbox.take(3)), ...ids(await outbox.take(9))];
    expect(order.slice(0, 3)).toEqual(['1', 'x', '2']);
    expect(order.filter((id) => /\d/.test(id))).toEqual(['1', '2', '3', '4', '5']);
    expect(order.filter((id) => /[xy]/.test(id))).toEqual(['x', 'y']);
  });

  test('serves both in turn where the broker takes one at a time, too', async () => {
    const dir = await outboxDir();
    await putAll(await opened(dir), '1', '2', '3');
    const outbox = await opened(dir);
    await putAll(outbox, 'x', 'y');
    const order: unknown[] = [];
    for (let n = 0; n < 5; n++) order.push(...ids(await outbox.take(1)));
    expect(order).toEqual(['1', 'x', '2', 'y', '3']);
  });

  test('keeps its order when the clock jumps back, also over a restart', async () => {
    const dir = await outboxDir();
    vi.useFakeTimers({ toFake: ['Date'], now: 2_000_000_000_000 });
    try {
      await putAll(await opened(dir), ...'abcdefgh');
      vi.setSystemTime(1_000_000_000_000);
      await putAll(await opened(dir), ...'ijklmnop');
    } finally {
      vi.useRealTimers();
    }
    expect(ids(await (await opened(dir)).take(99)).join('')).toBe('abcdefghijklmnop');
  });

  test('holds a message until its photo is filed, and knows it again after a crash', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    const { until, filed } = filing();
    await outbox.put(message('a'), { photo: 'p1', until });
    await outbox.remove((await outbox.take(1))[0] as OutboxEntry);
    expect(await outbox.take(9)).toEqual([]);
    const afterCrash = new DiskOutbox(new HomeDisk(dirname(dir)), silent);
    const known = await afterCrash.open(new Set(['p1', 'p2']));
    expect([...known]).toMatchObject([['p1', { payload: { id: 'a' } }]]);
    filed();
    await eventually(() => outbox.length === 0);
    expect(await readdir(dir)).toEqual([]);
  });

  test('reads at start only what is about photos that have not been filed', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    const until = Promise.resolve();
    for (const id of ['a', 'b', 'c']) await outbox.put(message(id), { photo: `p${id}`, until });
    const known = await new DiskOutbox(new HomeDisk(dirname(dir)), silent).open(new Set(['pb']));
    expect([...known.keys()]).toEqual(['pb']);
  });

  test('does not send what is delivered and only held again after a lost connection', async () => {
    const outbox = await opened(await outboxDir());
    const { until, filed } = filing();
    await outbox.put(message('a'), { photo: 'p1', until });
    await outbox.remove((await outbox.take(1))[0] as OutboxEntry);
    outbox.release();
    expect(await outbox.take(9)).toEqual([]);
    filed();
    await eventually(() => outbox.length === 0);
  });

  test('does not send again what is acknowledged late, after a lost connection', async () => {
    const outbox = await opened(await outboxDir());
    const until = new Promise<void>(() => {});
    for (const id of ['a', 'b']) await outbox.put(message(id), { photo: `p${id}`, until });
    const [, before] = await outbox.take(2);
    outbox.release();
    expect(ids(await outbox.take(1))).toEqual(['a']);
    await outbox.remove(before as OutboxEntry);
    expect(await outbox.take(9)).toEqual([]);
  });

  test('keeps nothing of a message whose photo was filed', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    await outbox.put(message('a'), { photo: 'p1', until: Promise.resolve() });
    const [entry] = await outbox.take(1);
    await outbox.remove(entry as OutboxEntry);
    expect([outbox.length, await readdir(dir)]).toEqual([0, []]);
    // Nor is it looked for when it is given back.
    const spy = vi.spyOn(FileStore.prototype, 'get');
    onTestFinished(() => spy.mockRestore());
    outbox.giveBack([(entry as OutboxEntry).key]);
    expect(await outbox.take(9)).toEqual([]);
    expect(spy).not.toHaveBeenCalled();
  });

  test('goes on where a delivered message that was held cannot be deleted', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    const { until, filed } = filing();
    await outbox.put(message('a'), { photo: 'p1', until });
    await outbox.remove((await outbox.take(1))[0] as OutboxEntry);
    const [name = ''] = await readdir(dir);
    await rm(join(dir, name));
    await mkdir(join(dir, name));
    filed();
    await putAll(outbox, 'b');
    expect(ids(await outbox.take(9))).toEqual(['b']);
  });

  test('gives no message to two that ask at once', async () => {
    const outbox = await opened(await outboxDir());
    await putAll(outbox, '1', '2', '3', '4', '5', '6');
    outbox.release();
    const both = await Promise.all([outbox.take(3), outbox.take(3)]);
    expect(both.flatMap(ids)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  test('gives a message once that is put while the broker comes back', async () => {
    const outbox = await opened(await outboxDir());
    await putAll(outbox, '1', '2');
    const putting = slow('put');
    const put = putAll(outbox, 'amid');
    await putting.done;
    outbox.release();
    expect(ids(await outbox.take(9))).toEqual(['1', '2']);
    putting.go();
    await put;
    expect(ids(await outbox.take(9))).toEqual(['amid']);
    expect(outbox.length).toBe(3);
  });

  test('counts what is being removed until it is gone', async () => {
    const outbox = await opened(await outboxDir());
    await putAll(outbox, 'a', 'b');
    const [first] = await outbox.take(1);
    const removing = slow('remove');
    const removed = outbox.remove(first as OutboxEntry);
    await removing.done;
    outbox.release();
    expect(outbox.length).toBe(2);
    removing.go();
    await removed;
    expect(outbox.length).toBe(1);
    expect(ids(await outbox.take(9))).toEqual(['b']);
  });

  test.each([
    '{"kind":',
    'null',
    '"x"',
    '[]',
    '{}',
    '{"kind":"result"}',
    '{"kind":"results","payload":{}}',
    '{"kind":"error","payload":null}',
  ])('sets aside what is no message (%s) and goes on', async (text) => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    await putAll(outbox, 'a', 'b');
    const [name = ''] = (await readdir(dir)).sort();
    await writeFile(join(dir, name), text);
    expect(ids(await outbox.take(9))).toEqual(['b']);
    expect(outbox.length).toBe(1);
    expect(await readdir(dir)).toContain(name.replace('.json', '.bad'));
  });

  test('leaves what is not its own alone, and does not count it', async () => {
    const dir = await outboxDir();
    await writeFile(join(dir, 'notes.json'), '{}');
    const outbox = await opened(dir);
    expect([outbox.length, await outbox.take(9)]).toEqual([0, []]);
    expect(await readdir(dir)).toEqual(['notes.json']);
  });

  test('does not take a torn message for the outcome of its photo', async () => {
    const dir = await outboxDir();
    await writeFile(join(dir, '000000000000001-00000000-p1.json'), '{"kind":');
    const outbox = new DiskOutbox(new HomeDisk(dirname(dir)), silent);
    expect(await outbox.open(new Set(['p1']))).toEqual(new Map());
    expect(outbox.length).toBe(0);
  });

  test('what the disk does not let go goes with the next message that it does', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    await putAll(outbox, 'a', 'b', 'c');
    const spy = vi.spyOn(disk, 'remove').mockRejectedValue(new Error('EIO'));
    onTestFinished(() => spy.mockRestore());
    const [a, b, c] = await outbox.take(3);
    await expect(outbox.remove(a as OutboxEntry)).rejects.toThrow('EIO');
    await expect(outbox.remove(b as OutboxEntry)).rejects.toThrow('EIO');
    spy.mockRestore();
    await outbox.remove(c as OutboxEntry);
    expect(outbox.length).toBe(0);
    expect(await readdir(dir)).toEqual([]);
  });

  test('counts what is there, though somebody removes messages', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    await putAll(outbox, 'delivered', 'a', 'b', 'c');
    await outbox.remove((await outbox.take(1))[0] as OutboxEntry);
    for (const name of (await readdir(dir)).sort().slice(0, 2)) await rm(join(dir, name));
    outbox.release();
    const [c] = await outbox.take(9);
    expect(ids([c as OutboxEntry])).toEqual(['c']);
    expect(outbox.length).toBe(1);
    for (const name of await readdir(dir)) await rm(join(dir, name));
    await putAll(outbox, 'd');
    for (const name of await readdir(dir)) await rm(join(dir, name));
    expect(await outbox.take(9)).toEqual([]);
    await outbox.remove(c as OutboxEntry);
    expect(outbox.length).toBe(0);
  });

  test('what is in the folder and never there (a dead link) holds up no other', async () => {
    const dir = await outboxDir();
    await symlink(join(dir, 'nowhere'), join(dir, `${'0'.repeat(15)}-${'0'.repeat(8)}-0.json`));
    const outbox = await opened(dir);
    await putAll(outbox, 'a');
    expect(ids(await outbox.take(9))).toEqual(['a']);
    await putAll(outbox, 'b');
    expect(ids(await outbox.take(9))).toEqual(['b']);
    expect(outbox.length).toBe(2);
  });

  test('one that cannot be read holds up no other, and comes when it can be', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const dir = await outboxDir();
    const late = '000000000000001-00000000-p';
    await putAll(await opened(dir), 'a');
    // A link to itself.
    await symlink(`${late}.json`, join(dir, `${late}.json`));
    const outbox = new DiskOutbox(new HomeDisk(dirname(dir)), silent);
    // Nor does it hold up the start.
    expect(await outbox.open(new Set(['p']))).toEqual(new Map());
    await putAll(outbox, 'b');
    const told = vi.fn();
    outbox.onPut(told);
    expect(ids(await outbox.take(9)).sort()).toEqual(['a', 'b']);
    expect(await outbox.take(9)).toEqual([]);
    // Tried again, in vain.
    vi.advanceTimersByTime(60_000);
    expect(await outbox.take(9)).toEqual([]);
    await rm(join(dir, `${late}.json`));
    await writeFile(join(dir, `${late}.json`), JSON.stringify(message('late')));
    expect(await outbox.take(9)).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(told).toHaveBeenCalledTimes(2);
    expect(ids(await outbox.take(9))).toEqual(['late']);
    expect(outbox.length).toBe(3);
  });

  test('a disk that fails is no fault of single messages', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const outbox = await opened(await outboxDir());
    const names = Array.from({ length: 150 }, (_, n) => `${n}`);
    await putAll(outbox, ...names);
    const spy = vi
      .spyOn(FileStore.prototype, 'get')
      .mockResolvedValueOnce(message('0'))
      .mockRejectedValue(Object.assign(new Error('EIO'), { code: 'EIO' }));
    onTestFinished(() => spy.mockRestore());
    await expect(outbox.take(200)).rejects.toThrow('EIO');
    await expect(outbox.take(200)).rejects.toThrow('EIO');
    spy.mockRestore();
    expect(ids(await outbox.take(200))).toEqual(['0', ...names.slice(101)]);
    outbox.release();
    expect(ids(await outbox.take(200))).toEqual(names);
    // What could not be read before is on its way now.
    vi.advanceTimersByTime(60_000);
    expect(await outbox.take(200)).toEqual([]);
  });

  test('a message whose place could not be made durable is there once', async () => {
    const dir = await outboxDir();
    const outbox = await opened(dir);
    const spy = vi
      .spyOn(disk, 'syncDir')
      .mockRejectedValueOnce(Object.assign(new Error('EIO'), { code: 'EIO' }));
    onTestFinished(() => spy.mockRestore());
    await expect(putAll(outbox, 'a')).rejects.toThrow('EIO');
    await putAll(outbox, 'a');
    expect(await readdir(dir)).toHaveLength(1);
    outbox.release();
    expect(ids(await outbox.take(9))).toEqual(['a']);
    expect(outbox.length).toBe(1);
  });
});

type Step =
  | { kind: 'put' }
  | { kind: 'take'; limit: number }
  | { kind: 'remove'; which: number }
  | { kind: 'give back'; every: number; amid: boolean }
  | { kind: 'release'; amid: boolean }
  | { kind: 'restart' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Step>({ kind: 'put' }) },
    {
      weight: 4,
      arbitrary: fc.integer({ min: 1, max: 6 }).map<Step>((limit) => ({ kind: 'take', limit })),
    },
    { weight: 5, arbitrary: fc.nat(9).map<Step>((which) => ({ kind: 'remove', which })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.integer({ min: 1, max: 3 }), fc.boolean())
        .map<Step>(([every, amid]) => ({ kind: 'give back', every, amid })),
    },
    { weight: 1, arbitrary: fc.boolean().map<Step>((amid) => ({ kind: 'release', amid })) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
  ),
  { maxLength: 60 },
);

test('whatever happens, nothing is lost, nothing removed comes back, late and new keep their order', async () => {
  const root = await temporaryDir();
  let run = 0;
  await holds(
    'outbox',
    fc.asyncProperty(steps, fc.boolean(), async (list, together) => {
      const dir = join(root, String(run++), 'outbox');
      let outbox = await opened(dir);
      let count = 0;
      const waiting = new Set<string>();
      const taken = new Map<string, OutboxEntry>();
      for (const step of list) {
        if (step.kind === 'put') {
          const names = together ? [`${count++}`, `${count++}`] : [`${count++}`];
          await Promise.all(names.map((name) => outbox.put(message(name))));
          for (const name of names) waiting.add(name);
        } else if (step.kind === 'take') {
          const entries = await outbox.take(step.limit);
          expect(entries).toHaveLength(Math.min(step.limit, waiting.size));
          for (const late of [true, false]) {
            const keys = entries.filter((entry) => entry.late === late).map(({ key }) => key);
            expect(keys).toEqual([...keys].sort());
          }
          for (const entry of entries) {
            const [id = ''] = ids([entry]);
            expect(waiting.delete(id), `${id} is waiting`).toBe(true);
            taken.set(id, entry);
          }
        } else if (step.kind === 'remove') {
          const [id, entry] = [...taken][step.which % Math.max(1, taken.size)] ?? [];
          if (entry) await outbox.remove(entry);
          if (id) taken.delete(id);
        } else if (step.kind === 'give back') {
          const back = [...taken].filter((_, n) => n % step.every === 0);
          // Also while some are being taken.
          const amid = step.amid ? outbox.take(2) : null;
          for (let n = 0; amid && n < step.every; n++) await new Promise(setImmediate);
          outbox.giveBack(back.map(([, { key }]) => key));
          for (const [id] of back) {
            taken.delete(id);
            waiting.add(id);
          }
          for (const entry of (await amid) ?? []) {
            const [id = ''] = ids([entry]);
            expect(waiting.delete(id), `${id} is waiting`).toBe(true);
            taken.set(id, entry);
          }
        } else {
          for (const id of taken.keys()) waiting.add(id);
          taken.clear();
          if (step.kind === 'restart') outbox = await opened(dir);
          else {
            // A put on its way to disk while the connection is lost and found again.
            const name = `${count++}`;
            const putting = step.amid ? outbox.put(message(name)) : null;
            outbox.release();
            const early = await outbox.take(1);
            await putting;
            if (putting) waiting.add(name);
            for (const entry of early) {
              const [id = ''] = ids([entry]);
              expect(waiting.delete(id)).toBe(true);
              taken.set(id, entry);
            }
          }
        }
        expect(outbox.length).toBe(waiting.size + taken.size);
      }
      const rest: string[] = [];
      for (let more = await outbox.take(5); more.length > 0; more = await outbox.take(5)) {
        rest.push(...ids(more));
      }
      expect(rest.sort()).toEqual([...waiting].sort());
    }),
    150,
  );
});
