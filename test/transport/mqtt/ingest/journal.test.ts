import { appendFile, open as openFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Journal } from '../../../../src/transport/mqtt/ingest/journal.ts';
import { silent, temporaryDir } from '../../../daemon/support.ts';

async function open(dir: string) {
  const journal = new Journal(join(dir, 'mqtt', 'journal.jsonl'), silent);
  await journal.open();
  onTestFinished(() => journal.close());
  return journal;
}

test('a message that comes again has the id it had, also after a crash', async () => {
  const dir = await temporaryDir();
  const first = await (await open(dir)).idOf('k', false);
  // Not closed: the process was killed.
  const again = await open(dir);
  expect(await again.idOf('k', true)).toEqual(first);
  expect(await again.idOf('k', false)).toEqual(first);
});

test('the same photo sent anew has an id of its own', async () => {
  const journal = await open(await temporaryDir());
  const { id } = await journal.idOf('k', false);
  await journal.acked('k');
  // The acknowledgement was lost: the flag says so.
  expect((await journal.idOf('k', true)).id).toBe(id);
  const anew = await journal.idOf('k', false);
  expect(anew.id).not.toBe(id);
  expect((await journal.idOf('k', true)).id).toBe(anew.id);
});

test('knows which files were there, also after two crashes', async () => {
  const dir = await temporaryDir();
  const journal = await open(dir);
  const { id, hadFile } = await journal.idOf('k', false);
  expect(hadFile).toBe(false);
  await journal.sawFile('k');
  for (const each of [journal, await open(dir), await open(dir)]) {
    expect(await each.idOf('k', true)).toEqual({ id, hadFile: true });
  }
});

describe('what was acknowledged', () => {
  /** Two messages, the second acknowledged `apart` ms after the first; then the process is killed, twice. */
  async function crashed(apart: number) {
    const dir = await temporaryDir();
    const journal = await open(dir);
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
    onTestFinished(() => clock.mockRestore());
    const old = await journal.idOf('old', false);
    await journal.acked('old');
    clock.mockReturnValue(1_000_000 + apart);
    const last = await journal.idOf('last', false);
    await journal.acked('last');
    clock.mockReturnValue(9_000_000);
    await open(dir);
    return { old, last, clock, again: await open(dir) };
  }

  test('is so after a crash: the same photo sent anew is another', async () => {
    const { old, again } = await crashed(2001);
    expect((await again.idOf('old', false)).id).not.toBe(old.id);
  });

  test('just before a crash may not have reached the sender: sent again it is the same', async () => {
    const { old, last, again } = await crashed(2000);
    for (const flag of [false, false, true]) {
      expect(await again.idOf('last', flag)).toEqual(last);
      expect(await again.idOf('old', flag)).toEqual(old);
    }
    await again.acked('last');
    expect((await again.idOf('last', false)).id).not.toBe(last.id);
  });

  test('is no longer in doubt a minute after the start', async () => {
    const { last, clock, again } = await crashed(0);
    clock.mockReturnValue(9_060_000);
    expect((await again.idOf('last', false)).id).not.toBe(last.id);
  });
});

test('an acknowledgement that went out just before the connection was lost is in doubt', async () => {
  const journal = await open(await temporaryDir());
  const { id } = await journal.idOf('k', false);
  await journal.acked('k');
  journal.doubt();
  expect((await journal.idOf('k', false)).id).toBe(id);
});

test('who sets the clock does not matter', async () => {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(9_000_000);
  onTestFinished(() => clock.mockRestore());
  const dir = await temporaryDir();
  const journal = await open(dir);
  await journal.idOf('early', false);
  await journal.acked('early');
  // Back by two hours.
  clock.mockReturnValue(1_800_000);
  const { id } = await journal.idOf('late', false);
  await journal.acked('late');
  const again = await open(dir);
  // Forward by a day.
  clock.mockReturnValue(88_200_000);
  expect((await again.idOf('late', false)).id).toBe(id);
});

test('what was acknowledged before the last run is not in doubt, however soon a connection is lost', async () => {
  const dir = await temporaryDir();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(60_000);
  onTestFinished(() => clock.mockRestore());
  const first = await open(dir);
  const { id } = await first.idOf('k', false);
  await first.acked('k');
  clock.mockReturnValue(70_000);
  await first.idOf('later', false);
  await first.acked('later');
  clock.mockReturnValue(500);
  const second = await open(dir);
  second.doubt();
  expect((await second.idOf('k', false)).id).not.toBe(id);
});

test('one that went out long before the connection was lost is in no doubt: the photo sent anew is another', async () => {
  const journal = await open(await temporaryDir());
  const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000_000);
  onTestFinished(() => clock.mockRestore());
  const { id } = await journal.idOf('k', false);
  await journal.acked('k');
  clock.mockReturnValue(1_002_001);
  journal.doubt();
  expect((await journal.idOf('k', false)).id).not.toBe(id);
});

test('a torn line is no matter', async () => {
  const dir = await temporaryDir();
  const { id } = await (await open(dir)).idOf('k', false);
  await appendFile(join(dir, 'mqtt', 'journal.jsonl'), '{"k":"to');
  const journal = await open(dir);
  expect((await journal.idOf('k', true)).id).toBe(id);
});

test('stays small, and keeps the newest', async () => {
  const dir = await temporaryDir();
  const journal = await open(dir);
  const ids = new Map<number, string>();
  for (let n = 0; n < 6000; n++) {
    ids.set(n, (await journal.idOf(`k${n}`, false)).id);
    await journal.acked(`k${n}`);
  }
  const text = await readFile(join(dir, 'mqtt', 'journal.jsonl'), 'utf8');
  expect(text.split('\n').length).toBeLessThan(9000);
  const again = await open(dir);
  for (let n = 5000; n < 6000; n++) {
    expect((await again.idOf(`k${n}`, true)).id).toBe(ids.get(n));
  }
  // What is older is in memory no longer either, and may be acknowledged all the same.
  await journal.sawFile('k0');
  await journal.acked('k0');
  expect((await journal.idOf('k0', true)).id).not.toBe(ids.get(0));
});

test('goes on in memory when its folder is gone', async () => {
  const dir = await temporaryDir();
  const journal = await open(dir);
  await rm(join(dir, 'mqtt'), { recursive: true });
  for (let n = 0; n < 9000; n++) await journal.idOf(`k${n}`, false);
  const { id } = await journal.idOf('k', false);
  expect((await journal.idOf('k', true)).id).toBe(id);
});

test('a disk that takes nothing when it opens ends nothing, and is written to when it can be', async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, 'mqtt'), 'in the way');
  const journal = await open(dir);
  const { id } = await journal.idOf('k', false);
  await rm(join(dir, 'mqtt'));
  await journal.idOf('other', false);
  expect((await (await open(dir)).idOf('k', true)).id).toBe(id);
});

test('what a full disk did not take is written once it does', async () => {
  const dir = await temporaryDir();
  const journal = await open(dir);
  await journal.idOf('before', false);
  const handle = await openFile(join(dir, 'x'), 'w');
  const full = vi.spyOn(Object.getPrototypeOf(handle), 'appendFile');
  onTestFinished(() => full.mockRestore());
  await handle.close();
  full.mockRejectedValueOnce(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const { id } = await journal.idOf('during', false);
  await journal.idOf('after', false);
  expect((await (await open(dir)).idOf('during', true)).id).toBe(id);
});
